import { NodeletError } from '../../base/errors.js';
import type { Mount, PodSandboxConfig } from '../../ports/cri/messages.js';
import type { IdMapping } from '../../ports/mounts.js';
import { idRange, podIdMapping, sameMapping } from './id-mappings.js';

/** How a mount's ids are mapped; undefined where they aren't. `field` is the mount's path in the request. */
export function mountMapping(
  { uidMappings, gidMappings }: Pick<Mount, 'uidMappings' | 'gidMappings'>,
  field: string,
): IdMapping | undefined {
  if (uidMappings.length + gidMappings.length === 0) return undefined;
  return {
    uids: idRange(uidMappings, `${field}.uidMappings`),
    gids: idRange(gidMappings, `${field}.gidMappings`),
  };
}

/** Refuses mappings by half, without a user namespace to map to, and such of an image that its pod doesn't have. */
export function validateMountMappings(mounts: readonly Mount[], sandbox: PodSandboxConfig): void {
  for (const [index, mount] of mounts.entries()) {
    const field = `config.mounts[${index}]`;
    const mapping = mountMapping(mount, field);
    if (mapping === undefined) continue;
    const pod = podIdMapping(sandbox);
    const invalid = (message: string, remedy: string) =>
      new NodeletError('invalid', message, { field: `${field}.uidMappings`, remedy });
    if (pod === undefined) {
      throw invalid('is set, but the sandbox has no user namespace', 'leave it out, or run the pod with one');
    }
    if (mount.image !== null && !sameMapping(mapping, pod)) {
      throw invalid("is not the sandbox's mapping, which an image's content has", 'leave it out');
    }
  }
}
