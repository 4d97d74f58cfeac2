import { NodeletError } from '../../base/errors.js';
import { isBelow } from '../../base/path-below.js';
import type { Mount } from '../../ports/cri/messages.js';
import type { FileStat } from '../../ports/files.js';
import type { IdMapping } from '../../ports/mounts.js';
import type { PreparedMount } from '../../spec/mounts/container-mounts.js';
import {
  cleanContainerPath,
  ontoRoot,
  recursiveReadOnlyMark,
  samePlace,
} from '../../spec/mounts/mount-validate.js';
import type { ContainerRecord } from '../../state/records.js';
import type { Located } from './container-view.js';
import { ContainerView } from './container-view.js';
import { imageVolumeId, prepareImageVolume } from './image-volumes.js';
import { mapVolume, unmapVolume } from './mapped-volumes.js';
import { MountSources } from './mount-sources.js';
import type { Pods } from '../pods.js';
import { relabel } from '../security/selinux-relabel.js';

/** What is mounted, before it is known where. */
type MountContent = Pick<PreparedMount, 'mount' | 'source'>;

export interface PreparationParts {
  rootfs: string;
  /** Of the OCI runtime, resolved. */
  handler: string;
  /** SELinux label of the container's files; undefined where it has none, so that there is nothing to relabel to. */
  fileLabel: string | undefined;
  /** Of the pod's user namespace. */
  idMapping: IdMapping | undefined;
}

/** Where the kernel shows files of its own in every container. */
const kernelPlaces = ['/proc', '/dev', '/sys'];

/**
 * Has the content of each mount of a container ready and holds it against the place where it goes. This is the one step
 * between a mount as the request has it and as the OCI runtime gets it: what a mount needs done on the host is done here,
 * and taken back by releaseMounts.
 */
export async function prepareMounts(
  pods: Pods,
  record: ContainerRecord,
  made: PreparationParts,
): Promise<PreparedMount[]> {
  const { host, runner } = pods.parts;
  const asked = record.config.mounts;
  await checkRecursiveReadOnly(asked, () => runner.features(made.handler));
  const sources = new MountSources(host);
  const contents: MountContent[] = [];
  for (const [index, mount] of asked.entries()) {
    const field = `config.mounts[${index}]`;
    if (mount.image !== null) {
      const container = record.id;
      contents.push(
        await prepareImageVolume(pods, { container, index, mount, field, mapping: made.idMapping }),
      );
      continue;
    }
    const source = await sources.resolve(mount, field);
    if (mount.selinux_relabel && made.fileLabel !== undefined) {
      await relabel(host.processes, { source, label: made.fileLabel, field });
    }
    contents.push(await mapVolume(host, record, { content: { mount, source }, index }));
  }
  const destinations = await findPlaces(pods, contents, made.rootfs);
  return contents.map((content, index) => ({ ...content, destination: destinations[index] ?? '' }));
}

async function checkRecursiveReadOnly(
  asked: readonly Mount[],
  features: () => Promise<{ recursiveReadOnly: boolean }>,
): Promise<void> {
  const index = asked.findIndex((mount) => mount.recursive_read_only);
  if (index < 0 || (await features()).recursiveReadOnly) return;
  throw new NodeletError(
    'unsupported',
    `the kernel or the OCI runtime has no recursive read-only mounts (${recursiveReadOnlyMark})`,
    {
      field: `config.mounts[${index}].recursive_read_only`,
      remedy: 'Linux 5.12 with crun 1.8.1 or runc 1.1 can; or leave the field out',
    },
  );
}

/** Where each mount goes. Refuses what the OCI runtime would stumble over later, with a message that names no field. */
async function findPlaces(pods: Pods, contents: readonly MountContent[], rootfs: string): Promise<string[]> {
  const { files } = pods.parts.host;
  const places = contents.map(({ mount }) => cleanContainerPath(mount.container_path));
  const view = new ContainerView(files, rootfs, [
    ...kernelPlaces
      .filter((place) => !places.includes(place))
      .map((destination) => ({ destination, source: undefined })),
    ...contents.map(({ source }, index) => ({ destination: places[index] ?? '', source })),
  ]);
  const found = await Promise.all(
    contents.map(async ({ source }, index) => {
      const [place, content] = await Promise.all([view.locate(places[index] ?? ''), files.stat(source)]);
      return { place, content };
    }),
  );
  const taken = new Map<string, number>();
  for (const [index, { place, content }] of found.entries()) {
    const field = `config.mounts[${index}]`;
    if (place.path === '/') throw ontoRoot(`${field}.container_path`);
    const other = taken.get(place.path);
    if (other !== undefined) throw samePlace({ field, other, place: place.path });
    taken.set(place.path, index);
    checkKind(place, content, `${field}.container_path`);
  }
  for (const [index, { place }] of found.entries()) {
    if (place.stat !== undefined) continue;
    const on = mountBelow(
      place.path,
      found.map(({ place: { path } }) => path),
    );
    const below = on === undefined ? undefined : contents[on]?.mount;
    if (below === undefined || !(below.recursive_read_only || below.image !== null)) continue;
    throw new NodeletError('invalid', `is not there in ${below.container_path}, which is read-only`, {
      field: `config.mounts[${index}].container_path`,
      remedy: 'mount at a path that is there, or beside it',
    });
  }
  return found.map(({ place }) => place.path);
}

/** Index of the mount that a place is in, the deepest of them. */
function mountBelow(place: string, places: readonly string[]): number | undefined {
  const outer = places.filter((path) => isBelow(place, path));
  const deepest = outer.sort((one, other) => other.length - one.length)[0];
  return deepest === undefined ? undefined : places.indexOf(deepest);
}

/** A folder goes onto a folder, anything else onto what is no folder; the OCI runtime makes what isn't there. */
function checkKind({ path, stat, blockedBy }: Located, content: FileStat | undefined, field: string): void {
  const remedy = 'mount at another path';
  if (blockedBy !== undefined) {
    throw new NodeletError('invalid', `${blockedBy} is no folder in the container`, { field, remedy });
  }
  if (stat === undefined || content === undefined || (stat.kind === 'dir') === (content.kind === 'dir'))
    return;
  const [there, here] = stat.kind === 'dir' ? ['a folder', 'a file'] : ['a file', 'a folder'];
  throw new NodeletError(
    'invalid',
    `${path} is ${there} in the container, what is to be mounted is ${here}`,
    {
      field,
      remedy,
    },
  );
}

/** Takes back what prepareMounts has done on the host; not done is success. */
export async function releaseMounts(pods: Pods, record: ContainerRecord): Promise<void> {
  const { id, config } = record;
  for (const [index, { image }] of config.mounts.entries()) {
    await unmapVolume(pods.parts.host, record, index);
    if (image !== null) await pods.parts.images.snapshots.remove(imageVolumeId(id, index));
  }
}
