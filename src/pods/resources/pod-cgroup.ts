import type { Cgroups } from '../../ports/cgroups.js';

/**
 * The groups that must be made to have `group`, innermost first; none where it exists, as a kubelet's pod groups do.
 * Who makes a group removes it: these are the pod's own then.
 */
export async function missingGroups(cgroups: Cgroups, group: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = group.replace(/\/+$/, ''); at !== ''; at = parentOf(at)) {
    const siblings = await cgroups.children(parentOf(at) || '/');
    if (siblings.includes(at.slice(at.lastIndexOf('/') + 1))) break;
    missing.push(at);
  }
  return missing;
}

/** Removes groups that a pod made, innermost first, up to the first that somebody else has put something into. */
export async function removeGroups(cgroups: Cgroups, made: readonly string[]): Promise<void> {
  for (const group of made) {
    const [children, pids] = await Promise.all([cgroups.children(group), cgroups.pids(group)]);
    if (children.length + pids.length > 0) return;
    await cgroups.remove(group);
  }
}

const parentOf = (group: string) => group.slice(0, group.lastIndexOf('/'));
