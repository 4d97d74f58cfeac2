import { NodeletError } from '../../base/errors.js';
import type { IdMapping, IdRange } from '../../ports/mounts.js';
import type { ResolvedImageUser } from './image-user.js';
import { securityField } from './security-field.js';

/** Refuses a user or groups, whether asked for or the image's, that the pod's user namespace has not. */
export function requireMapped(user: ResolvedImageUser, mapping: IdMapping | undefined): void {
  if (mapping === undefined) return;
  const check = (id: number, { containerId, length }: IdRange, key: string) => {
    if (id >= containerId && id < containerId + length) return;
    throw new NodeletError(
      'invalid',
      `${id} is outside of the pod's user namespace, which has ${containerId} to ${containerId + length - 1}`,
      { field: `${securityField}.${key}`, remedy: 'choose one of these, or map more ids' },
    );
  };
  check(user.uid, mapping.uids, 'run_as_user');
  check(user.gid, mapping.gids, 'run_as_group');
  user.additionalGids.forEach((gid) => check(gid, mapping.gids, 'supplemental_groups'));
}
