import { NodeletError } from '../../base/errors.js';
import type { Device } from '../../ports/cri/messages.js';
import { cleanContainerPath } from '../mounts/mount-validate.js';

const invalid = (field: string, message: string) => new NodeletError('invalid', message, { field });

/** What of read, write and mknod the device cgroup allows; none named means all three. */
export function devicePermissions({ permissions }: Pick<Device, 'permissions'>): string {
  return permissions === '' ? 'rwm' : permissions;
}

/** Where a device goes: where it is on the host, unless the request says otherwise. */
export function devicePlace({ container_path, host_path }: Device): string {
  return cleanContainerPath(container_path === '' ? host_path : container_path);
}

/** Refuses devices that contradict themselves or each other; what is on the machine is looked at later. */
export function validateDevices(devices: readonly Device[]): void {
  const places = new Map<string, number>();
  for (const [index, device] of devices.entries()) {
    const field = `config.devices[${index}]`;
    if (!device.host_path.startsWith('/')) throw invalid(`${field}.host_path`, 'is not an absolute path');
    const { container_path: given } = device;
    if (given !== '' && !given.startsWith('/')) {
      throw invalid(`${field}.container_path`, 'is not an absolute path');
    }
    for (const key of ['host_path', 'container_path'] as const) {
      if (device[key].includes('\0')) throw invalid(`${field}.${key}`, 'has a NUL');
    }
    const place = devicePlace(device);
    if (place === '/') throw invalid(`${field}.container_path`, 'is the root of the container');
    const letters = new Set(device.permissions);
    if (letters.size < device.permissions.length || [...letters].some((letter) => !'rwm'.includes(letter))) {
      throw invalid(`${field}.permissions`, `"${device.permissions}" is not made of r, w and m`);
    }
    const other = places.get(place);
    if (other !== undefined) {
      throw invalid(`${field}.container_path`, `${place} is the place of devices[${other}] as well`);
    }
    places.set(place, index);
  }
}
