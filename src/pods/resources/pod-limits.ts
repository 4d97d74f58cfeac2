import { NodeletError } from '../../base/errors.js';
import type { CgroupLimits } from '../../ports/cgroups.js';
import { cgroupLimits, fieldOfLimit, podResources } from '../../spec/resources/cgroup-limits.js';
import type { SandboxRecord } from '../../state/records.js';
import type { Pods } from '../pods.js';

/** Limits for a pod's group; undefined where it has none, or is somebody else's: who named it with `cgroup_parent` sets them. */
export function podLimits({ config }: Pick<SandboxRecord, 'config'>, pods: Pods): CgroupLimits | undefined {
  const { linux } = config;
  if (linux === null || linux.cgroup_parent !== '') return undefined;
  const limits = cgroupLimits(podResources(linux.resources, linux.overhead), pods.parts.limits);
  return Object.keys(limits).length === 0 ? undefined : limits;
}

/** Has an error about a group's limit name the field of the request that it came from. */
export async function inTermsOf(base: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!(thrown instanceof NodeletError) || thrown.field === undefined) throw thrown;
    // The group was there a moment ago: its last process has ended since.
    const kind = thrown.kind === 'not-found' ? 'wrong-state' : thrown.kind;
    throw new NodeletError(kind, thrown.message, {
      field: `${base}.${fieldOfLimit(thrown.field)}`,
      ...(thrown.remedy === undefined ? {} : { remedy: thrown.remedy }),
      cause: thrown,
    });
  }
}
