import path from 'node:path';
import { NodeletError } from '../../base/errors.js';
import type { Mount } from '../../ports/cri/messages.js';

const invalid = (field: string, message: string, remedy?: string) =>
  new NodeletError('invalid', message, remedy === undefined ? { field } : { field, remedy });

/** A container path without empty and `.` steps, `..` taken back: as the OCI runtimes read it, before symlinks. */
export function cleanContainerPath(given: string): string {
  return path.posix.normalize(given).replace(/(.)\/+$/, '$1');
}

/** Refuses mounts that contradict themselves or each other; what is on the machine is looked at later. */
export function validateMounts(mounts: readonly Mount[]): void {
  const places = new Map<string, number>();
  for (const [index, mount] of mounts.entries()) {
    const field = `config.mounts[${index}]`;
    validateContainerPath(mount.container_path, `${field}.container_path`);
    if (mount.image === null) validateBind(mount, field);
    else validateImageVolume(mount, field);
    if (mount.recursive_read_only) validateRecursiveReadOnly(mount, `${field}.recursive_read_only`);
    const place = cleanContainerPath(mount.container_path);
    const other = places.get(place);
    if (other !== undefined) throw samePlace({ field, other, place });
    places.set(place, index);
  }
}

/** Two mounts at one place: one of them would be hidden, and nothing would tell. */
export function samePlace({ field, other, place }: { field: string; other: number; place: string }) {
  return invalid(
    `${field}.container_path`,
    `${place} is the place of mounts[${other}] as well`,
    'mount them at different paths',
  );
}

function validateContainerPath(given: string, field: string): void {
  if (!given.startsWith('/')) throw invalid(field, 'is not an absolute path');
  if (given.includes('\0')) throw invalid(field, 'has a NUL');
  if (cleanContainerPath(given) === '/') throw ontoRoot(field);
}

export const ontoRoot = (field: string) =>
  invalid(
    field,
    "is the container's root, which is its image's",
    'mount below it, or run an image with that content',
  );

function validateBind(mount: Mount, field: string): void {
  if (!mount.host_path.startsWith('/')) throw invalid(`${field}.host_path`, 'is not an absolute path');
  if (mount.host_path.includes('\0')) throw invalid(`${field}.host_path`, 'has a NUL');
  if (mount.image_sub_path !== '') {
    throw invalid(`${field}.image_sub_path`, 'is set without an image', 'name the image in the mount');
  }
}

/** Names for the kubelet, which looks for them in the text of an error (cri-api, pkg/errors). */
export const imageVolumeMark = 'ImageVolumeMountFailed';
export const recursiveReadOnlyMark = 'RROUnsupported';

function validateImageVolume(mount: Mount, field: string): void {
  const refuse = (key: string, why: string, remedy: string) =>
    invalid(`${field}.${key}`, `${why} (${imageVolumeMark})`, remedy);
  if ((mount.image?.image ?? '') === '') {
    throw refuse('image.image', 'is empty', 'name an image that has been pulled');
  }
  if (mount.host_path !== '') throw refuse('host_path', 'is set beside image', 'give one of them');
  if (!mount.readonly) throw refuse('readonly', 'is false, but an image is only read', 'set it');
  if (mount.propagation !== 'PROPAGATION_PRIVATE') {
    throw refuse('propagation', 'must be private: no mounts come and go in an image', 'leave it out');
  }
  const sub = mount.image_sub_path;
  if (sub.startsWith('/') || sub.split('/').includes('..') || sub.includes('\0')) {
    throw refuse(
      'image_sub_path',
      `"${sub}" is no path inside of the image`,
      'give one without / before it and ..',
    );
  }
}

/** KEP-3857: the whole tree is read-only, so no mount may arrive in it later. */
function validateRecursiveReadOnly({ readonly, propagation }: Mount, field: string): void {
  if (!readonly) throw invalid(field, 'is set without readonly', 'set readonly as well');
  if (propagation !== 'PROPAGATION_PRIVATE') {
    throw invalid(field, `is set with ${propagation}`, 'mounts that are to stay read-only must be private');
  }
}
