import { expect } from 'chai';
import fc from 'fast-check';
import { describeProblem, parseManifest } from '../../src/spec/manifests/manifest-parse.js';
import { milliCpu, parseQuantity, quantityBytes } from '../../src/spec/manifests/pod-quantity.js';

const web = `apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: main
    image: nginx
`;
const problemsOf = (text: string): string[] => parseManifest(text, 'web.yaml').problems.map(describeProblem);

describe('spec: pod manifests', () => {
  it('fills the defaults of Kubernetes', () => {
    const { pods, problems } = parseManifest(web, 'web.yaml');
    expect(problems).to.deep.equal([]);
    expect(pods[0]?.metadata.namespace).to.equal('default');
    expect(pods[0]?.spec).to.include({ restartPolicy: 'Always', terminationGracePeriodSeconds: 30 });
    expect(pods[0]?.spec.containers[0]?.imagePullPolicy).to.equal('Always');
  });

  for (const [image, policy] of [
    ['127.0.0.1:5000/nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['127.0.0.1:5000/nginx:1.2', 'IfNotPresent'],
    [`nginx@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
  ] as const)
    it(`pulls ${image.slice(0, 30)} ${policy}`, () => {
      const { pods } = parseManifest(web.replace('nginx', image), 'f');
      expect(pods[0]?.spec.containers[0]?.imagePullPolicy).to.equal(policy);
    });

  it('reads several documents and Lists', () => {
    const other = web.replace('name: web', 'name: other');
    expect(
      parseManifest(`---\n${web}---\n${other}---\n`, 'f').pods.map((p) => p.metadata.name),
    ).to.deep.equal(['web', 'other']);
    const listed = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [parseManifest(web, 'f').pods[0]],
    });
    expect(parseManifest(listed, 'f').pods).to.have.length(1);
  });

  const refused: [string, string, RegExp][] = [
    [
      'an unknown field',
      `${web}    imagee: x\n`,
      /^web\.yaml:9: spec\.containers\[0\]\.imagee: is not a field/,
    ],
    [
      'a host address that is none',
      `${web}    ports: [{containerPort: 80, hostPort: 80, hostIP: localhost}]\n`,
      /^web\.yaml:9: spec\.containers\[0\]\.ports\[0\]\.hostIP: must be an IPv4 address/,
    ],
    [
      'a host port of an init container',
      `${web}  initContainers: [{name: i, image: nginx, ports: [{containerPort: 80, hostPort: 80}]}]\n`,
      /^web\.yaml:9: spec\.initContainers\[0\]\.ports\[0\]\.hostPort: is not opened for an init container/,
    ],
    [
      'a field not supported yet',
      `${web}    livenessProbe: {}\n`,
      /^web\.yaml:9: spec\.containers\[0\]\.livenessProbe: is not supported by nodelet yet/,
    ],
    [
      'a wrong type',
      `${web}    command: sh\n`,
      /^web\.yaml:9: spec\.containers\[0\]\.command: must be a list, but is a string/,
    ],
    [
      'a missing image',
      web.replace('    image: nginx\n', ''),
      /^web\.yaml:7: spec\.containers\[0\]\.image: is required/,
    ],
    [
      'a bad name',
      web.replace('name: web', 'name: Web_1'),
      /^web\.yaml:4: metadata\.name: must be a DNS-1123/,
    ],
    [
      'a twice-named container',
      `${web}  - {name: main, image: y}\n`,
      /^web\.yaml:9: spec\.containers\[1\]\.name: is there twice: "main"/,
    ],
    [
      'a mount of no volume',
      `${web}    volumeMounts: [{name: data, mountPath: /d}]\n`,
      /volumeMounts\[0\]\.name: names no volume/,
    ],
    [
      'a bad quantity',
      `${web}    resources: {limits: {memory: 64Mb}}\n`,
      /limits\.memory: is not a quantity/,
    ],
    [
      'a request above its limit',
      `${web}    resources: {limits: {cpu: 100m}, requests: {cpu: 1}}\n`,
      /requests\.cpu: must not be above/,
    ],
    ['another kind', 'apiVersion: apps/v1\nkind: Deployment\n', /^web\.yaml:2: kind: is Deployment/],
    ['text that is not YAML', 'a: [1\nb: }', /^web\.yaml:\d+: is not YAML/],
    ['text that is no object', 'hello', /is not a Kubernetes object/],
    [
      'a volume source not supported yet',
      `${web}  volumes: [{name: c, configMap: {name: x}}]\n`,
      /volumes\[0\]\.configMap: is not supported/,
    ],
    ['an inherited property name', `${web}    constructor: 1\n`, /constructor: is not a field/],
    ['nothing at all', '', /has no Pod/],
  ];
  for (const [what, text, message] of refused)
    it(`refuses ${what}, saying where`, () => {
      expect(problemsOf(text).join('\n')).to.match(message);
    });

  it('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseManifest(text, 'f')));
  });
});

describe('spec: quantities', () => {
  it('reads suffixes and exponents', () => {
    expect(milliCpu('250m')).to.equal(250);
    expect(milliCpu(0.1)).to.equal(100);
    expect(milliCpu('1.5')).to.equal(1500);
    expect(quantityBytes('64Mi')).to.equal(64 * 1024 * 1024);
    expect(quantityBytes('1e3')).to.equal(1000);
    expect(quantityBytes('2k')).to.equal(2000);
    expect(parseQuantity('64 Mi')).to.equal(undefined);
    expect(parseQuantity('')).to.equal(undefined);
  });
});
