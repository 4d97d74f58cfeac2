import { expect } from 'chai';
import type { CdiFile } from '../../src/spec/devices/cdi-catalog.js';
import { cdiEdits, cdiRequests } from '../../src/spec/devices/cdi-catalog.js';
import { parseCdiSpec } from '../../src/spec/devices/cdi-spec.js';

/** A file whose edits are variables that tell where they come from. */
function file(path: string, priority: number, names: string[]): CdiFile {
  const env = (who: string) => ({ env: [`${who}=${path}`] });
  const spec = {
    cdiVersion: '0.6.0',
    kind: 'acme.com/gpu',
    containerEdits: env('ALL'),
    devices: names.map((name) => ({ name, containerEdits: env(name) })),
  };
  return { path, priority, spec: parseCdiSpec(JSON.stringify(spec), path) };
}
const name = (device: string) => `acme.com/gpu=${device}`;
const envOf = (files: CdiFile[], ...devices: string[]) =>
  cdiEdits(
    files,
    devices.map((device, index) => ({ name: name(device), field: `config.CDI_devices[${index}]` })),
  ).flatMap(({ edits }) => edits.env);

describe('spec: the CDI devices of a node', () => {
  it('bring the edits of their file once and before their own, in the order asked for', () => {
    const files = [file('/etc/cdi/a.json', 0, ['x', 'y']), file('/etc/cdi/b.json', 0, ['z'])];
    expect(envOf(files, 'y', 'z', 'x', 'y')).to.deep.equal([
      'ALL=/etc/cdi/a.json',
      'y=/etc/cdi/a.json',
      'ALL=/etc/cdi/b.json',
      'z=/etc/cdi/b.json',
      'x=/etc/cdi/a.json',
    ]);
  });

  it('are those of the folder that comes last', () => {
    const files = [file('/var/run/cdi/a.json', 1, ['x']), file('/etc/cdi/a.json', 0, ['x', 'y'])];
    expect(envOf(files, 'x')).to.include('x=/var/run/cdi/a.json');
    expect(envOf(files, 'y')).to.include('y=/etc/cdi/a.json');
  });

  it('are refused where two files of one folder have them, and only those', () => {
    const files = [file('/etc/cdi/a.json', 0, ['x', 'y']), file('/etc/cdi/b.json', 0, ['x'])];
    expect(() => envOf(files, 'y', 'x'))
      .to.throw('/etc/cdi/b.json')
      .that.includes({ kind: 'wrong-state', field: 'config.CDI_devices[1]' });
    expect(envOf(files, 'y')).to.have.length(2);
    expect(envOf([...files, file('/run/cdi/c.json', 1, ['x'])], 'x'), 'a third decides').to.have.length(2);
  });

  it('that nobody knows are refused, with what could not be read', () => {
    const broken: CdiFile = {
      path: '/etc/cdi/c.json',
      priority: 0,
      spec: { trouble: '/etc/cdi/c.json: odd' },
    };
    expect(() => envOf([broken, file('/etc/cdi/a.json', 0, ['x'])], 'x', 'nope'))
      .to.throw('/etc/cdi/c.json: odd')
      .that.includes({ kind: 'not-found', field: 'config.CDI_devices[1]' });
    expect(() => cdiEdits([], [{ name: 'gpu', field: 'config.CDI_devices[0]' }]))
      .to.throw()
      .that.includes({ kind: 'invalid', field: 'config.CDI_devices[0]' });
  });

  it('are named by the field and by annotations', () => {
    const annotations = { 'cdi.k8s.io/plugin_1': `${name('y')},${name('z')}`, 'cdi.k8s': 'no' };
    expect(cdiRequests([{ name: name('x') }], annotations)).to.deep.equal([
      { name: name('x'), field: 'config.CDI_devices[0]' },
      { name: name('y'), field: 'config.annotations["cdi.k8s.io/plugin_1"]' },
      { name: name('z'), field: 'config.annotations["cdi.k8s.io/plugin_1"]' },
    ]);
  });
});
