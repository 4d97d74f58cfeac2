import { NodeletError } from '../../../src/base/errors.js';
import type { CgroupLimits } from '../../../src/ports/cgroups.js';
import { isBelow, parentOf } from './file-nodes.js';
import type { ProcessTable } from './process-table.js';

/** Control groups as one tree of paths; a process is in the group that it names. */
export class CgroupTree {
  private readonly groups = new Set<string>();
  private readonly limits = new Map<string, CgroupLimits>();

  constructor(private readonly processes: ProcessTable) {}

  create(path: string): void {
    for (let at = path; at !== '/'; at = parentOf(at)) this.groups.add(at);
  }

  /** Sets limits over those that the group has. */
  limit(path: string, limits: CgroupLimits): void {
    this.limits.set(path, { ...this.limits.get(path), ...limits });
  }

  limitsOf(path: string): CgroupLimits {
    return this.limits.get(path) ?? {};
  }

  has(path: string): boolean {
    return this.groups.has(path);
  }

  all(): string[] {
    return [...this.groups].sort();
  }

  children(path: string): string[] {
    const below = this.all().filter((group) => isBelow(group, path) && parentOf(group) === path);
    return below.map((group) => group.slice(path.length + 1));
  }

  remove(path: string): void {
    if (this.processes.inCgroup(path).length > 0) {
      throw new NodeletError('wrong-state', `cgroup ${path} still has processes`);
    }
    for (const group of this.all()) if (group === path || isBelow(group, path)) this.groups.delete(group);
  }

  attach(path: string, pid: number): boolean {
    if (!this.groups.has(path)) throw new NodeletError('not-found', `there is no cgroup ${path}`);
    const process = this.processes.get(pid);
    if (process === undefined) return false;
    process.cgroup = path;
    return true;
  }
}
