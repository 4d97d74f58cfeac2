import { NodeletError } from '../../base/errors.js';
import type { PodSandboxConfig } from '../../ports/cri/messages.js';
import type { Owner } from '../../ports/files.js';
import type { IdMapping } from '../../ports/mounts.js';
import { podIdMapping } from '../../spec/mounts/id-mappings.js';
import type { Pods } from '../pods.js';
import { namespacesField } from '../../spec/security/security-field.js';

/** Whether pods can have user namespaces here, for RuntimeHandlerFeatures: tried, not assumed. */
export async function hasUserNamespaces(pods: Pods): Promise<boolean> {
  return (await pods.parts.images.snapshots.mappingTrouble()) === undefined;
}

/** The mapping that a sandbox asks for; `unsupported`, with the machine's own reason, where it can't be had. */
export async function usableMapping(pods: Pods, config: PodSandboxConfig): Promise<IdMapping | undefined> {
  const mapping = podIdMapping(config);
  if (mapping === undefined) return undefined;
  const trouble = await pods.parts.images.snapshots.mappingTrouble();
  if (trouble === undefined) return mapping;
  throw new NodeletError('unsupported', `this machine can't map the ids of a root file system: ${trouble}`, {
    field: `${namespacesField}.userns_options`,
    remedy: 'set mode: NODE; Linux 5.19 with ext4, xfs or btrfs below rootDir can',
  });
}

/** What root in the pod is on the host; undefined where it is root there, too. */
export function podRoot(config: PodSandboxConfig): Owner | undefined {
  const mapping = podIdMapping(config);
  return mapping && { uid: mapping.uids.hostId, gid: mapping.gids.hostId };
}
