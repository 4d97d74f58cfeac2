import { NodeletError } from '../../base/errors.js';
import type { ContainerId } from '../../base/ids.js';
import { isReferredTo } from '../../images/image-names.js';
import type { Mount } from '../../ports/cri/messages.js';
import { newImageSpec } from '../../ports/cri/messages.js';
import type { Files } from '../../ports/files.js';
import type { IdMapping } from '../../ports/mounts.js';
import type { PreparedMount } from '../../spec/mounts/container-mounts.js';
import { validateImageSpec } from '../../spec/image-spec-validate.js';
import { imageVolumeMark } from '../../spec/mounts/mount-validate.js';
import { ContainerView } from './container-view.js';
import type { Pods } from '../pods.js';

export interface ImageVolume {
  container: ContainerId;
  index: number;
  mount: Mount;
  /** Path of the mount in the request. */
  field: string;
  /** Of the pod's user namespace, in which the content belongs to the container's ids. */
  mapping: IdMapping | undefined;
}

/** An image volume is a snapshot of the image that belongs to one mount of one container. */
export const imageVolumeId = (container: ContainerId, index: number): string => `${container}.${index}`;

/** The container that a snapshot belongs to, its root's or an image volume's. */
export const snapshotOwner = (snapshot: string): string => snapshot.split('.')[0] ?? snapshot;

const refuse = (kind: 'invalid' | 'not-found', field: string, why: string, remedy: string) =>
  new NodeletError(kind, `${why} (${imageVolumeMark})`, { field, remedy });

/**
 * The host folder with an image's content, KEP-4639: the image must have been pulled. Its layers stay while the snapshot is
 * there, so that the image may be removed under a container as it may under the container's own root.
 */
export async function prepareImageVolume(
  { parts: { images, host, runner } }: Pods,
  { container, index, mount, field, mapping }: ImageVolume,
): Promise<Pick<PreparedMount, 'mount' | 'source'>> {
  const spec = validateImageSpec(mount.image, { field: `${field}.image`, handlers: runner.handlers() });
  const at = `${field}.image.image`;
  const image = images.lookup(spec.image, at);
  if (image === undefined) {
    throw refuse('not-found', at, `image "${spec.image}" is not on this node`, 'pull it first');
  }
  if (!isReferredTo(image, spec)) {
    const why = `image "${spec.image}" is ${image.id}, not ${spec.image_ref}`;
    throw refuse('not-found', `${field}.image.image_ref`, why, 'pull it again, or leave the field out');
  }
  const id = imageVolumeId(container, index);
  const { rootfs } = await images.snapshots.prepareReadOnly(id, image.id, mapping);
  // As a pull of it is answered: a kubelet finds by it that the image is in use, and tells it as the volume's.
  const told = newImageSpec({ ...spec, image: image.id, image_ref: image.id, runtime_handler: '' });
  return {
    source: await folderInside(host.files, { rootfs, sub: mount.image_sub_path, field }),
    mount: { ...mount, image: told },
  };
}

/** The folder of the image that is asked for. Its symlinks are followed as long as they stay inside, as by openat2's RESOLVE_BENEATH. */
async function folderInside(
  files: Pick<Files, 'stat' | 'readLink'>,
  { rootfs, sub, field }: { rootfs: string; sub: string; field: string },
): Promise<string> {
  if (sub === '') return rootfs;
  const { path, stat, blockedBy, escapesAt } = await new ContainerView(files, rootfs, []).locate(`/${sub}`);
  const at = `${field}.image_sub_path`;
  if (escapesAt !== undefined) {
    throw refuse('invalid', at, `${escapesAt} is a symlink out of the image`, 'name the folder itself');
  }
  if (blockedBy !== undefined || stat === undefined) {
    throw refuse('not-found', at, `the image has no folder "${sub}"`, 'name one that it has');
  }
  // KEP-4639 leaves single files out, and so do the other runtimes.
  if (stat.kind !== 'dir') throw refuse('invalid', at, `"${sub}" is no folder`, 'mount the folder around it');
  return path === '/' ? rootfs : `${rootfs}${path}`;
}
