import type { CgroupLimits } from '../ports/cgroups.js';

/** One value for one file of a cgroup. */
export interface LimitFile {
  /** Which limit it is, or the first of those that it holds. */
  limit: keyof CgroupLimits;
  controller: 'cpu' | 'memory' | 'pids';
  file: string;
  value: string;
}

const defaultPeriodUs = 100_000;
/** What cpu.shares and cpu.weight range over; 1024 and 100 are their defaults. */
const shares = { min: 2, max: 262_144 };
const weights = { min: 1, max: 10_000 };

/** The range of shares laid over that of weights, as the OCI runtimes do it for `linux.resources.cpu.shares`. */
export function weightOfShares(cpuShares: number): number {
  const inRange = Math.min(Math.max(cpuShares, shares.min), shares.max);
  const fraction = (inRange - shares.min) / (shares.max - shares.min);
  return weights.min + Math.floor(fraction * (weights.max - weights.min));
}

/** Shares that give this weight: not always those that were asked for, since weights are coarser. */
export function sharesOfWeight(weight: number): number {
  const fraction = (weight - weights.min) / (weights.max - weights.min);
  return shares.min + Math.ceil(fraction * (shares.max - shares.min));
}

const orMax = (value: number): string => (value < 0 ? 'max' : `${value}`);

/** Files of a v1 hierarchy, in the order in which they are to be written (kernel: admin-guide/cgroup-v1, scheduler/sched-bwc). */
export function limitFilesV1(limits: CgroupLimits): LimitFile[] {
  const { cpuShares, cpuPeriodUs, cpuQuotaUs, memoryBytes, pids } = limits;
  return [
    file('cpuShares', 'cpu', 'cpu.shares', cpuShares),
    file('cpuPeriodUs', 'cpu', 'cpu.cfs_period_us', cpuPeriodUs),
    file('cpuQuotaUs', 'cpu', 'cpu.cfs_quota_us', cpuQuotaUs),
    file('memoryBytes', 'memory', 'memory.limit_in_bytes', memoryBytes),
    file('pids', 'pids', 'pids.max', pids === undefined ? undefined : orMax(pids)),
  ].flat();
}

/** Files of the v2 tree (kernel: admin-guide/cgroup-v2). */
export function limitFilesV2(limits: CgroupLimits): LimitFile[] {
  const { cpuShares, cpuPeriodUs, cpuQuotaUs, memoryBytes, pids } = limits;
  const bandwidth = `${orMax(cpuQuotaUs ?? -1)} ${cpuPeriodUs ?? defaultPeriodUs}`;
  return [
    file('cpuShares', 'cpu', 'cpu.weight', cpuShares === undefined ? undefined : weightOfShares(cpuShares)),
    file('cpuQuotaUs', 'cpu', 'cpu.max', cpuQuotaUs ?? cpuPeriodUs, bandwidth),
    file('memoryBytes', 'memory', 'memory.max', memoryBytes === undefined ? undefined : orMax(memoryBytes)),
    file('pids', 'pids', 'pids.max', pids === undefined ? undefined : orMax(pids)),
  ].flat();
}

function file(
  limit: keyof CgroupLimits,
  controller: LimitFile['controller'],
  name: string,
  wanted: number | string | undefined,
  value = `${wanted}`,
): LimitFile[] {
  return wanted === undefined ? [] : [{ limit, controller, file: name, value }];
}

/** cgroup.controllers and cgroup.subtree_control: names in one line. */
export function parseControllers(text: string): string[] {
  return text.trim().split(' ').filter(Boolean);
}

/** What has to be written to cgroup.subtree_control; empty where children have all that they can be given. */
export function controllersToEnable(files: { controllers: string; subtreeControl: string }): string[] {
  const enabled = parseControllers(files.subtreeControl);
  return parseControllers(files.controllers).filter((name) => !enabled.includes(name));
}

/** Number of OOM kills in memory.events (v2) or memory.oom_control (v1); undefined in a text that has none. */
export function oomKillsIn(text: string): number | undefined {
  const kills = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return kills === undefined ? undefined : Number(kills);
}
