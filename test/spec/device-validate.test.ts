import { expect } from 'chai';
import { newDevice } from '../../src/ports/cri/messages.js';
import type { Device } from '../../src/ports/cri/messages.js';
import { devicePermissions, devicePlace, validateDevices } from '../../src/spec/devices/device-validate.js';

const fuse = (set: Partial<Device> = {}) =>
  newDevice({ host_path: '/dev/fuse', container_path: '/dev/fuse', permissions: 'rw', ...set });

describe('spec: devices are refused by the name of the field', () => {
  const refusals: [what: string, key: string, device: Device][] = [
    ['no source', 'host_path', fuse({ host_path: '' })],
    ['a relative source', 'host_path', fuse({ host_path: 'dev/fuse' })],
    ['a source with a NUL', 'host_path', fuse({ host_path: '/dev/\0' })],
    ['a relative place', 'container_path', fuse({ container_path: 'fuse' })],
    ['a place with a NUL', 'container_path', fuse({ container_path: '/dev/\0' })],
    ['the root', 'container_path', fuse({ container_path: '/dev/..' })],
    ['permissions that are none', 'permissions', fuse({ permissions: 'rwx' })],
    ['a permission twice', 'permissions', fuse({ permissions: 'rr' })],
    ['a place that another device has', 'container_path', fuse({ container_path: '/dev/./first' })],
  ];
  for (const [what, key, device] of refusals) {
    it(what, () => {
      expect(() => validateDevices([fuse({ container_path: '/dev/first' }), device]))
        .to.throw()
        .that.includes({ kind: 'invalid', field: `config.devices[1].${key}` });
    });
  }

  it('but not what can be; what is left out is told by the rest', () => {
    const device = fuse({ container_path: '', permissions: '' });
    expect(() => validateDevices([device, fuse({ container_path: '/x', permissions: 'mr' })])).not.to.throw();
    expect([devicePlace(device), devicePermissions(device)]).to.deep.equal(['/dev/fuse', 'rwm']);
  });
});
