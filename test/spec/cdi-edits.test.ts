import { expect } from 'chai';
import { applyCdiEdits } from '../../src/spec/devices/cdi-edits.js';
import type { KnownNode } from '../../src/spec/devices/cdi-edits.js';
import type { CdiEdits } from '../../src/spec/devices/cdi-spec.js';
import type { OciSpec } from '../../src/spec/oci-spec-types.js';

const plain: OciSpec = {
  ociVersion: '1.0.2',
  process: {
    terminal: false,
    user: { uid: 1000, gid: 100, additionalGids: [7] },
    args: ['true'],
    env: ['PATH=/bin', 'A=old'],
    cwd: '/',
    capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    noNewPrivileges: false,
  },
  root: { path: '/rootfs', readonly: false },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/etc/hosts', type: 'bind', source: '/pod/hosts' },
  ],
  linux: {
    namespaces: [],
    cgroupsPath: '/c',
    resources: { devices: [{ allow: false, access: 'rwm' }] },
  },
};
const none: CdiEdits = {
  env: [],
  deviceNodes: [],
  mounts: [],
  hooks: [],
  additionalGids: [],
  intelRdt: undefined,
};
const apply = (...sets: (Partial<CdiEdits> & { nodes?: KnownNode[] })[]) =>
  applyCdiEdits(
    plain,
    sets.map(({ nodes = [], ...set }) => ({ edits: { ...none, ...set }, nodes, field: 'f', file: 'a.json' })),
  );
const node = (set: Partial<KnownNode>): KnownNode => ({
  path: '/dev/gpu',
  hostPath: undefined,
  type: 'c',
  major: 195,
  minor: 0,
  fileMode: undefined,
  permissions: 'rw',
  uid: undefined,
  gid: undefined,
  ...set,
});

describe('spec: CDI edits of a container', () => {
  it('set variables over those that are there, the later over the earlier', () => {
    expect(apply({ env: ['A=new', 'B=1'] }, { env: ['B=2'] }).process.env).to.deep.equal([
      'PATH=/bin',
      'A=new',
      'B=2',
    ]);
  });

  it("give device files, the user's unless said otherwise, and the right to use them", () => {
    const { linux } = apply({
      nodes: [
        node({}),
        node({ path: '/dev/ctl', minor: 255, uid: 0, gid: 0, fileMode: 0o600 }),
        node({ path: '/p', type: 'p' }),
      ],
    });
    expect(linux.devices).to.deep.equal([
      { path: '/dev/gpu', type: 'c', major: 195, minor: 0, uid: 1000, gid: 100 },
      { path: '/dev/ctl', type: 'c', major: 195, minor: 255, uid: 0, gid: 0, fileMode: 0o600 },
      { path: '/p', type: 'p', major: 195, minor: 0, uid: 1000, gid: 100 },
    ]);
    expect(linux.resources.devices).to.deep.equal([
      { allow: false, access: 'rwm' },
      { allow: true, type: 'c', major: 195, minor: 0, access: 'rw' },
      { allow: true, type: 'c', major: 195, minor: 255, access: 'rw' },
    ]);
  });

  it('mount a folder before what lies in it, in the place of what was there', () => {
    const mount = { hostPath: '/own', type: '', options: ['ro'] };
    const { mounts } = apply({
      mounts: [
        { ...mount, containerPath: '/etc/hosts' },
        { ...mount, containerPath: '/etc', options: ['bind', 'ro'] },
        { ...mount, containerPath: '/scratch', type: 'tmpfs', hostPath: 'tmpfs' },
      ],
    });
    expect(
      mounts.map(({ destination, type, options = [] }) => [destination, type, options.join()]),
    ).to.deep.equal([
      ['/proc', 'proc', ''],
      ['/etc', 'bind', 'bind,ro'],
      ['/scratch', 'tmpfs', 'ro'],
      ['/etc/hosts', 'bind', 'rbind,ro'],
    ]);
  });

  it('add groups but that of root, hooks in their order, and a class of caches', () => {
    const hook = { path: '/bin/hook', args: [], env: [], timeout: undefined };
    const spec = apply(
      { additionalGids: [44, 0], hooks: [{ ...hook, hookName: 'poststop' }], intelRdt: { closID: 'a' } },
      {
        additionalGids: [44],
        hooks: [{ ...hook, hookName: 'poststop', timeout: 3 }],
        intelRdt: { closID: 'b' },
      },
    );
    expect(spec.process.user.additionalGids).to.deep.equal([7, 44]);
    expect(spec.hooks).to.deep.equal({
      poststop: [{ path: '/bin/hook' }, { path: '/bin/hook', timeout: 3 }],
    });
    expect(spec.linux.intelRdt).to.deep.equal({ closID: 'b' });
  });

  it('change nothing else', () => {
    expect(apply()).to.deep.equal(plain);
  });
});
