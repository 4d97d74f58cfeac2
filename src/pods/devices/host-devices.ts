import { NodeletError } from '../../base/errors.js';
import type { Device } from '../../ports/cri/messages.js';
import type { Files } from '../../ports/files.js';
import { devicePermissions, devicePlace } from '../../spec/devices/device-validate.js';
import type { OciDevice, OciDeviceRule } from '../../spec/oci-spec-types.js';

/** Folders of /dev that a container has of its own, and files that the OCI runtime makes itself (config-linux.md). */
const own = /^\/dev\/(pts|shm|mqueue|console|ptmx|null|zero|full|random|urandom|tty)$/;

/** The device files that a container gets, and what its device cgroup lets it do with them. */
export interface GrantedDevices {
  files: OciDevice[];
  rules: OciDeviceRule[];
}

/** A privileged container has the machine's devices, all rights on them, and those of the request where it has them. */
export async function grantDevices(
  files: Pick<Files, 'list' | 'stat' | 'realPath'>,
  { devices, privileged }: { devices: readonly Device[]; privileged: boolean },
): Promise<GrantedDevices> {
  const asked: GrantedDevices = { files: [], rules: [] };
  for (const [index, device] of devices.entries()) {
    const found = await requestedDevices(files, device, `config.devices[${index}].host_path`);
    asked.files.push(...found.filter(({ path }) => !own.test(path)));
    const access = devicePermissions(device);
    asked.rules.push(...found.map(({ type, major, minor }) => ({ allow: true, type, major, minor, access })));
  }
  if (!privileged) return asked;
  const places = new Set(asked.files.map(({ path }) => path));
  const others = (await devicesIn(files, '/dev')).filter(({ path }) => !places.has(path));
  return { files: [...others, ...asked.files], rules: [] };
}

/** A device of the request with its symlinks followed; for a folder, all devices in it. */
async function requestedDevices(
  files: Pick<Files, 'list' | 'stat' | 'realPath'>,
  device: Device,
  field: string,
): Promise<OciDevice[]> {
  const source = await files.realPath(device.host_path);
  const stat = source === undefined ? undefined : await files.stat(source);
  if (source === undefined || stat === undefined) {
    throw new NodeletError('not-found', `${device.host_path} is not there`, {
      field,
      remedy: 'check that the device is plugged in and its driver is loaded',
    });
  }
  const place = devicePlace(device);
  if (stat.device !== undefined) {
    return [{ path: place, ...stat.device, fileMode: stat.mode, uid: stat.uid, gid: stat.gid }];
  }
  const inside = stat.kind === 'dir' ? await devicesIn(files, source) : [];
  if (inside.length > 0) {
    return inside.map((found) => ({ ...found, path: `${place}${found.path.slice(source.length)}` }));
  }
  throw new NodeletError('invalid', `${device.host_path} is no device, and no folder that holds some`, {
    field,
    remedy: 'to give a file or a folder to the container, mount it',
  });
}

/** All device files below a folder; symlinks and sockets are left out. */
async function devicesIn(files: Pick<Files, 'list' | 'stat'>, dir: string): Promise<OciDevice[]> {
  const found = await Promise.all(
    (await files.list(dir)).map(async (name): Promise<OciDevice[]> => {
      const path = `${dir}/${name}`;
      if (own.test(path)) return [];
      const stat = await files.stat(path);
      if (stat?.kind === 'dir') return devicesIn(files, path);
      if (stat?.device === undefined) return [];
      return [{ path, ...stat.device, fileMode: stat.mode, uid: stat.uid, gid: stat.gid }];
    }),
  );
  return found.flat();
}
