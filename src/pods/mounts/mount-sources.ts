import { NodeletError } from '../../base/errors.js';
import { isBelow } from '../../base/path-below.js';
import type { Mount } from '../../ports/cri/messages.js';
import type { Host } from '../../ports/host.js';
import type { MountEntry } from '../../ports/mounts.js';

/**
 * Finds what host paths lead to: symlinks followed, a missing path made as a folder (as under the other runtimes). Refuses a
 * symlink that leads nowhere, and propagation that the host's own mount doesn't take part in, which the kernel would drop
 * silently (mount_namespaces(7)).
 */
export class MountSources {
  private table: Promise<MountEntry[]> | undefined;

  constructor(private readonly host: Pick<Host, 'files' | 'mounts'>) {}

  /** `field` is the mount's path in the request. */
  async resolve(mount: Mount, field: string): Promise<string> {
    const { files } = this.host;
    if ((await files.stat(mount.host_path)) === undefined) {
      await files.makeDir(mount.host_path).catch((thrown: unknown) => {
        const reason = thrown instanceof Error ? thrown.message : String(thrown);
        const options = { field: `${field}.host_path`, cause: thrown };
        throw new NodeletError('invalid', `is not there and can't be made: ${reason}`, options);
      });
    }
    const source = await files.realPath(mount.host_path);
    if (source === undefined) {
      throw new NodeletError('invalid', `${mount.host_path} is a symlink that leads nowhere`, {
        field: `${field}.host_path`,
      });
    }
    if (mount.propagation !== 'PROPAGATION_PRIVATE') {
      const table = await (this.table ??= this.host.mounts.list('/'));
      checkPropagation(mount, mountOf(table, source), `${field}.propagation`);
    }
    return source;
  }
}

/** The mount that a path is on: of those whose target leads to it the deepest, the last one made. */
function mountOf(table: readonly MountEntry[], path: string): MountEntry | undefined {
  let found: MountEntry | undefined;
  for (const entry of table) {
    const inside = path === entry.target || isBelow(path, entry.target);
    if (inside && entry.target.length >= (found?.target.length ?? 0)) found = entry;
  }
  return found;
}

function checkPropagation(
  { host_path, propagation }: Mount,
  on: MountEntry | undefined,
  field: string,
): void {
  if (on?.propagation === 'shared') return;
  if (propagation === 'PROPAGATION_HOST_TO_CONTAINER' && on?.propagation === 'slave') return;
  throw new NodeletError('invalid', `${host_path} is on ${on?.target ?? '/'}, which is not a shared mount`, {
    field,
    remedy: `mount --make-shared ${on?.target ?? '/'}`,
  });
}
