import type { Files } from '../ports/files.js';
import type { OciDevice } from '../spec/oci-spec-types.js';

/** Folders of /dev that a container has of its own, and files that the OCI runtime makes itself (config-linux.md). */
const own = /^\/dev\/(pts|shm|mqueue|console|ptmx|null|zero|full|random|urandom|tty)$/;

/** The machine's device files, which a privileged container gets; symlinks and sockets in /dev are left out. */
export async function hostDevices(files: Files, dir = '/dev'): Promise<OciDevice[]> {
  const found = await Promise.all(
    (await files.list(dir)).map(async (name): Promise<OciDevice[]> => {
      const path = `${dir}/${name}`;
      if (own.test(path)) return [];
      const stat = await files.stat(path);
      if (stat?.kind === 'dir') return hostDevices(files, path);
      if (stat?.device === undefined) return [];
      return [{ path, ...stat.device, fileMode: stat.mode, uid: stat.uid, gid: stat.gid }];
    }),
  );
  return found.flat();
}
