import { expect } from 'chai';
import { stringify } from 'yaml';
import { parseCdiSpec, splitCdiName } from '../../src/spec/devices/cdi-spec.js';

const file = '/etc/cdi/a.yaml';
const edits = (set: object) => ({ devices: [{ name: 'one', containerEdits: set }] });
const spec = (set: object = {}) => ({
  cdiVersion: '1.0.0',
  kind: 'acme.com/gpu',
  devices: [{ name: 'one', containerEdits: { env: ['A=b'] } }],
  ...set,
});
const parse = (set: object) => parseCdiSpec(stringify(spec(set)), file);

describe('spec: a CDI file', () => {
  it('is read whole, from JSON as from YAML', () => {
    const whole = spec({
      annotations: { note: 'x' },
      containerEdits: { env: ['ALL=1'], additionalGids: [44], intelRdt: { closID: 'gold', enableCMT: true } },
      devices: [
        {
          name: 'one',
          containerEdits: {
            deviceNodes: [{ path: '/dev/a', hostPath: '/dev/b', permissions: 'r', fileMode: 0o600, uid: 1 }],
            mounts: [{ hostPath: '/lib/a', containerPath: '/lib/b', options: ['ro'], type: 'bind' }],
            hooks: [{ hookName: 'createContainer', path: '/bin/hook', args: ['hook', 'x'], timeout: 5 }],
          },
        },
      ],
    });
    const read = parseCdiSpec(JSON.stringify(whole), file);
    expect(parseCdiSpec(stringify(whole), file)).to.deep.equal(read);
    expect(read.kind).to.equal('acme.com/gpu');
    expect(read.edits).to.deep.include({
      env: ['ALL=1'],
      additionalGids: [44],
      intelRdt: { closID: 'gold', enableCMT: true },
    });
    expect(read.devices[0]?.edits.deviceNodes[0]).to.deep.include({
      path: '/dev/a',
      hostPath: '/dev/b',
      permissions: 'r',
      fileMode: 0o600,
      major: undefined,
    });
    expect(read.devices[0]?.edits.hooks[0]).to.deep.include({ hookName: 'createContainer', timeout: 5 });
  });

  const refusals: [what: string, set: object, place: string][] = [
    ['a version that nobody knows', { cdiVersion: '9.0.0' }, 'cdiVersion'],
    ['no version', { cdiVersion: null }, 'cdiVersion'],
    ['a kind without a class', { kind: 'acme.com' }, 'kind'],
    ['a kind of three parts', { kind: 'acme.com/gpu/x' }, 'kind'],
    ['a key that nobody knows', { device: [] }, 'device'],
    ['no devices', { devices: [] }, 'devices'],
    ['a device without edits', edits({}), 'devices[0].containerEdits'],
    ['a device name with a space', { devices: [{ name: 'a b', containerEdits: {} }] }, 'devices[0].name'],
    ['a variable without a name', edits({ env: ['=x'] }), 'devices[0].containerEdits.env[0]'],
    [
      'an unknown hook',
      edits({ hooks: [{ hookName: 'onStart', path: '/x' }] }),
      'devices[0].containerEdits.hooks[0].hookName',
    ],
    [
      'a hook by a relative path',
      edits({ hooks: [{ hookName: 'poststop', path: 'x' }] }),
      'devices[0].containerEdits.hooks[0].path',
    ],
    [
      'a device node of a strange type',
      edits({ deviceNodes: [{ path: '/dev/x', type: 'z' }] }),
      'devices[0].containerEdits.deviceNodes[0].type',
    ],
    ['a negative group', edits({ additionalGids: [-1] }), 'devices[0].containerEdits.additionalGids[0]'],
    ['a class of caches that is a path', edits({ intelRdt: { closID: 'a/b' } }), '.intelRdt.closID'],
    ['annotations before 0.6.0', { cdiVersion: '0.5.0', annotations: { a: 'b' } }, 'annotations'],
    ['a dotted class before 0.6.0', { cdiVersion: '0.5.0', kind: 'a.com/b.c' }, 'kind'],
    ['groups before 0.7.0', { cdiVersion: '0.6.0', ...edits({ additionalGids: [1] }) }, '.additionalGids'],
    [
      'a host path of a device node before 0.5.0',
      { cdiVersion: '0.4.0', ...edits({ deviceNodes: [{ path: '/dev/a', hostPath: '/dev/b' }] }) },
      '.hostPath',
    ],
    ['network devices', edits({ netDevices: [] }), '.netDevices'],
  ];
  for (const [what, set, place] of refusals) {
    it(`with ${what} is refused by file and place`, () => {
      expect(() => parse(set))
        .to.throw(`${file}: `)
        .with.property('message')
        .that.includes(place);
    });
  }

  it('that is no YAML, or no map, is refused', () => {
    for (const text of ['{', 'a: [', '[]', 'text', ''])
      expect(() => parseCdiSpec(text, file), text).to.throw(file);
  });

  it('names devices as vendor/class=device', () => {
    expect(splitCdiName('acme.com/gpu=0:1')).to.deep.equal({ kind: 'acme.com/gpu', name: '0:1' });
    for (const text of ['gpu', 'acme.com/gpu', 'acme.com/gpu=', '/gpu=0', 'acme.com/gpu=a=b', '1/gpu=0']) {
      expect(splitCdiName(text), text).to.equal(undefined);
    }
  });
});
