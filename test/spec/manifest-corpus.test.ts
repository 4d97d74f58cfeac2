import fs from 'node:fs';
import { expect } from 'chai';
import { describeProblem, manifestMaxBytes, parseManifest } from '../../src/spec/manifests/manifest-parse.js';

const folder = 'test/data/manifests';
const parse = (path: string) => parseManifest(fs.readFileSync(`${folder}/${path}`, 'utf8'), path);
const problemsOf = (text: string) => parseManifest(text, 'f').problems.map(describeProblem);

describe('spec: manifests that others wrote', () => {
  for (const file of fs.readdirSync(`${folder}/accepted`))
    it(`accepts ${file}`, () => {
      const { pods, problems } = parse(`accepted/${file}`);
      expect(problems.map(describeProblem)).to.deep.equal([]);
      expect(pods).not.to.have.length(0);
    });

  const refused: Record<string, string[]> = {
    'etcd-controller.yaml': ['12: selector: is there twice in its map'],
    'cinder-web.yaml': [
      '12: spec.containers[0].ports[0].protocol: must be one of TCP, UDP, SCTP, but is "tcp"',
      '18: spec.volumes[0].cinder: is not supported by nodelet yet; remove it to run this pod',
    ],
    'custom-profile.yaml': ['1: kind: is required'],
    'job.yaml': ['2: kind: is Job: nodelet runs Pods and takes no other kind'],
    'http-liveness.yaml': [
      '15: spec.containers[0].livenessProbe: is not supported by nodelet yet; remove it to run this pod',
    ],
    'pod-projected-svc-token.yaml': [
      '12: spec.serviceAccountName: is not supported by nodelet yet; remove it to run this pod',
    ],
  };
  it('knows why each of the others is refused', () => {
    expect(fs.readdirSync(`${folder}/refused`)).to.have.members(Object.keys(refused));
  });
  for (const [file, wanted] of Object.entries(refused))
    it(`refuses ${file}, naming field and line`, () => {
      const found = parse(`refused/${file}`).problems.map(describeProblem);
      for (const problem of wanted) expect(found).to.include(`refused/${file}:${problem}`);
    });
});

describe('spec: manifests that mean harm', () => {
  it('refuses aliases that multiply', () => {
    const levels = [...'bcdefghi'].map((name, index) => {
      const before = '*' + 'abcdefghi'.charAt(index);
      return `${name}: &${name} [${Array(10).fill(before).join(', ')}]`;
    });
    expect(problemsOf(`a: &a [x, x]\n${levels.join('\n')}\n`).join()).to.match(/^f:1: is not YAML: .*alias/i);
    expect(problemsOf('a: &a\n  <<: *a\n').join()).to.match(/^f:1: is not YAML: .*alias/i);
  });

  for (const [what, text] of [
    ['lists', '['.repeat(100_000)],
    ['maps', '{a: '.repeat(100_000)],
    ['JSON', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
    ['list entries', `${'- '.repeat(100_000)}x`],
  ] as const)
    it(`refuses ${what} nested without end, at once`, () => {
      expect(problemsOf(text)).to.deep.equal(['f:1: is nested more deeply than any manifest']);
    });

  it('refuses what is too large to be read, before reading it', () => {
    expect(problemsOf('a'.repeat(manifestMaxBytes + 1)).join()).to.match(
      /^f:1: is larger than a manifest may be/,
    );
  });

  it('names a key that is there twice, and its line', () => {
    expect(problemsOf('apiVersion: v1\nkind: Pod\nkind: Pod\n')).to.deep.equal([
      'f:3: kind: is there twice in its map',
    ]);
  });

  it('says that text is binary, or has a tag that nobody knows', () => {
    expect(problemsOf('\u0000\u0001').join()).to.match(/^f:1: /);
    expect(problemsOf('kind: !!python/object x\n').join()).to.match(/^f:1: .*!!python|tag/);
  });
});
