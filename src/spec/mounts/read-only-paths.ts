import { isBelow } from '../../base/path-below.js';
import type { OciMount } from '../oci-spec-types.js';

/**
 * The paths that a request makes read-only, and after them the read-only mounts below one of them: crun lays such a path
 * over itself with the mounts below it before those are read-only, so that theirs would be writable.
 */
export function readOnlyPaths(asked: readonly string[], mounts: readonly OciMount[]): string[] {
  const below = mounts
    .filter(({ options = [] }) => options.includes('ro') || options.includes('rro'))
    .map(({ destination }) => destination)
    .filter((target) => asked.some((path) => isBelow(target, path)));
  return [...asked, ...below];
}
