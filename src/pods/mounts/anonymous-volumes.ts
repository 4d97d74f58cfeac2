import type { CallContext } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import type { ContainerId } from '../../base/ids.js';
import { newMount } from '../../ports/cri/messages.js';
import type { Owner } from '../../ports/files.js';
import type { PreparedMount } from '../../spec/mounts/container-mounts.js';
import { cleanContainerPath } from '../../spec/mounts/mount-validate.js';
import { ContainerView } from './container-view.js';
import type { Pods } from '../pods.js';
import { relabel } from '../security/selinux-relabel.js';

export interface AnonymousVolumes {
  container: ContainerId;
  rootfs: string;
  /** Places that the image declares (`VOLUME` of a Dockerfile). */
  declared: readonly string[];
  /** Mounts of the request, which win. */
  mounts: readonly PreparedMount[];
  fileLabel: string | undefined;
  /** What root in the container is on the host; undefined: root. */
  owner: Owner | undefined;
}

const copyTimeoutMs = 10 * 60_000;

/**
 * Folders for the places that an image declares as volumes, each with what the image has there, as under the other
 * runtimes: such a place can be written where the root can't, and lies on a plain file system. They lie beside the container's
 * root and go with it. What a mount of the request covers, or what is no folder in the image, gets none.
 */
export async function anonymousVolumes(
  { parts: { host, images } }: Pods,
  { container, rootfs, declared, mounts, fileLabel, owner }: AnonymousVolumes,
  ctx: Pick<CallContext, 'signal'>,
): Promise<PreparedMount[]> {
  const view = new ContainerView(host.files, rootfs, []);
  const covered = new Set(mounts.map(({ destination }) => destination));
  const volumes: PreparedMount[] = [];
  for (const place of new Set(declared.map((given) => cleanContainerPath(`/${given}`)))) {
    const { path: destination, stat, blockedBy } = await view.locate(place);
    if (destination === '/' || blockedBy !== undefined || (stat !== undefined && stat.kind !== 'dir'))
      continue;
    if (ancestors(destination).some((path) => covered.has(path))) continue;
    const source = `${images.snapshots.volumesDir(container)}/${volumes.length}`;
    await host.files.makeDir(source);
    if (owner !== undefined) await host.files.setOwner(source, owner);
    if (stat !== undefined)
      await copyContent(host.processes, { from: `${rootfs}${destination}`, to: source }, ctx);
    if (fileLabel !== undefined) {
      await relabel(host.processes, { source, label: fileLabel, field: 'config.image' }, ctx.signal);
    }
    volumes.push({ mount: newMount({ container_path: place }), source, destination });
  }
  return volumes;
}

/** A path and the folders around it, without the root. */
function ancestors(path: string): string[] {
  const parts = path.split('/').slice(1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

/** With owners, modes, times, links and extended attributes, of the folder itself as well. */
async function copyContent(
  processes: Pods['parts']['host']['processes'],
  { from, to }: { from: string; to: string },
  { signal }: Pick<CallContext, 'signal'>,
): Promise<void> {
  const { exitCode, stderr } = await processes.run({
    argv: ['cp', '--archive', '--no-target-directory', '--', from, to],
    timeoutMs: copyTimeoutMs,
    signal,
  });
  if (exitCode === 0) return;
  const why = stderr.toString('utf8').trim().split('\n').at(-1) ?? '';
  const kind = why.includes('No space left on device') ? 'exhausted' : 'tool-failed';
  throw new NodeletError(kind, `what the image has at a volume of its own can't be copied: ${why}`, {
    remedy: 'make room below rootDir, or mount a volume of yours there',
  });
}
