import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { readInterface, subjectsOf } from '../../hack/cri-matrix/interface-table.js';
import { pageOf } from '../../hack/cri-matrix/page.js';
import { problemsOf } from '../../hack/cri-matrix/problems.js';
import type { Verdict } from '../../hack/cri-matrix/verdicts.js';
import { readVerdicts } from '../../hack/cri-matrix/verdicts.js';

const asked = readInterface('test/data/cri-v1-interface.tsv');
const here = 'test/house/cri-matrix.test.ts';

/** Rows for everything, all of them shown by a test of this file. */
function fullRows(): Verdict[] {
  return subjectsOf(asked).map((subject, index) => ({
    subject,
    verdict: 'honoured',
    sentence: 'does what it says',
    tests: [{ file: here, title: 'the matrix of CRI' }],
    where: `x.tsv:${index + 1}`,
  }));
}

describe('house: the matrix of CRI', () => {
  it('has one row for everything that can be asked, of the right form and shown by a test that exists', () => {
    const { verdicts, problems } = readVerdicts('docs/cri');
    const others = problemsOf(asked, verdicts, '.');
    expect([...problems, ...others]).to.deep.equal([]);
  });

  it('asks for every rpc and every field that a request can carry, in maps and lists too', () => {
    const subjects = subjectsOf(asked);
    expect(subjects).to.include.members([
      'rpc GetContainerEvents',
      'rpc StreamImages',
      'RunPodSandboxRequest.config',
      'PodSandboxMetadata.attempt',
      'PullImageRequest.auth',
      'AuthConfig.registry_token',
      'WindowsCpuGroupAffinity.cpu_mask',
      'NetworkConfig.pod_cidr',
    ]);
    expect(subjects.filter((subject) => /Response|Stats\./.test(subject))).to.deep.equal([]);
    expect(problemsOf(asked, fullRows(), '.')).to.deep.equal([]);
  });

  it('would tell a missing row, a double one, one about nothing, and a test that does not exist', () => {
    const [first, second, ...rows] = fullRows();
    const [third, fourth] = rows;
    if (!first || !second || !third || !fourth) throw new Error('the interface is too small');
    rows.push({ ...third, where: 'y.tsv:1' });
    rows.push({ ...second, subject: 'Mount.flavour' });
    rows.push({ ...second, tests: [{ file: 'test/house/none.test.ts', title: 'the matrix' }] });
    fourth.tests = [{ file: here, title: 'never written' }];
    expect(problemsOf(asked, rows, '.')).to.have.members([
      `${fourth.where}: ${here} has no test "never written"`,
      `y.tsv:1: ${third.subject} has a row in ${third.where} already`,
      `${second.where}: no request has Mount.flavour`,
      `${second.where}: test/house/none.test.ts has no test "the matrix"`,
      `${first.subject} has no row`,
    ]);
  });

  it('would tell a row of the wrong form', () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-matrix-'));
    try {
      const rows = [
        '# a comment',
        `Mount.readonly\thonoured\tis read-only\t${here}: the matrix; with a semicolon; test/x.test.ts: a: b`,
        `Mount.readonly\tignored\tnothing happens\t${here}: the matrix`,
        `Mount.readonly\thonoured\t\t${here}: the matrix`,
        'Mount.readonly\trefused\tis refused',
        `Mount.readonly\trefused\tis refused\t${here}`,
        'Mount.readonly\tnot-applicable\thas no meaning here',
      ];
      fs.writeFileSync(path.join(dir, 'x.tsv'), rows.join('\n'));
      const { verdicts, problems } = readVerdicts(dir);
      expect(verdicts.map(({ tests }) => tests)).to.deep.equal([
        [
          { file: here, title: 'the matrix; with a semicolon' },
          { file: 'test/x.test.ts', title: 'a: b' },
        ],
        [],
      ]);
      expect(problems.map((problem) => problem.split(':').slice(0, 2).join(':'))).to.deep.equal([
        'x.tsv:3',
        'x.tsv:4',
        'x.tsv:5',
        'x.tsv:6',
      ]);
    } finally {
      fs.rmSync(dir, { recursive: true, force: true });
    }
  });

  it('shows every row on its page, in the table of its message', () => {
    const page = pageOf(asked, fullRows());
    const sections = page.split('\n### ');
    for (const [message, fields] of asked.messages) {
      if (fields.length === 0) continue;
      const section = sections.find((each) => each.startsWith(`${message}\n`)) ?? '';
      for (const { name } of fields) expect(section, message).to.include(`| \`${name}\` |`);
    }
    for (const { name } of asked.rpcs) expect(page).to.include(`| \`${name}\` | honoured |`);
  });
});
