import type { CgroupLimits } from '../ports/cgroups.js';

/** One value for one file of a cgroup. */
export interface LimitFile {
  /** Which limit it is, or the first of those that it holds: a key of CgroupLimits, or `unified["KEY"]`. */
  limit: string;
  controller: string;
  file: string;
  value: string;
  /** Older kernels have no such file. */
  optional: boolean;
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

const orMax = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : value < 0 ? 'max' : `${value}`;

/** Files of a v1 hierarchy, in the order that mostly works (kernel: admin-guide/cgroup-v1, scheduler/sched-bwc). */
export function limitFilesV1(limits: CgroupLimits): LimitFile[] {
  const { cpuShares, cpuPeriodUs, cpuQuotaUs, memoryBytes, memorySwapBytes, pids } = limits;
  return [
    file('cpuShares', 'cpu', 'cpu.shares', cpuShares),
    file('cpuPeriodUs', 'cpu', 'cpu.cfs_period_us', cpuPeriodUs),
    file('cpuQuotaUs', 'cpu', 'cpu.cfs_quota_us', cpuQuotaUs),
    file('memoryBytes', 'memory', 'memory.limit_in_bytes', memoryBytes),
    file('memorySwapBytes', 'memory', 'memory.memsw.limit_in_bytes', memorySwapBytes),
    file('pids', 'pids', 'pids.max', orMax(pids)),
    ...filesOfBoth(limits, 'limit_in_bytes'),
  ].flat();
}

/** Files of the v2 tree (kernel: admin-guide/cgroup-v2). */
export function limitFilesV2(limits: CgroupLimits): LimitFile[] {
  const { cpuShares, cpuPeriodUs, cpuQuotaUs, memoryBytes, memorySwapBytes, pids } = limits;
  const bandwidth = `${orMax(cpuQuotaUs ?? -1)} ${cpuPeriodUs ?? defaultPeriodUs}`;
  const swap =
    memorySwapBytes === undefined || memorySwapBytes < 0
      ? memorySwapBytes
      : memorySwapBytes - (memoryBytes ?? 0);
  return [
    file('cpuShares', 'cpu', 'cpu.weight', cpuShares === undefined ? undefined : weightOfShares(cpuShares)),
    ...(cpuQuotaUs === undefined && cpuPeriodUs === undefined
      ? []
      : file(cpuQuotaUs === undefined ? 'cpuPeriodUs' : 'cpuQuotaUs', 'cpu', 'cpu.max', bandwidth)),
    file('memoryBytes', 'memory', 'memory.max', orMax(memoryBytes)),
    file('memorySwapBytes', 'memory', 'memory.swap.max', orMax(swap)),
    file('pids', 'pids', 'pids.max', orMax(pids)),
    ...filesOfBoth(limits, 'max'),
    ...unifiedFiles(limits),
  ].flat();
}

/** Files of v2 that are named as they are. */
export function unifiedFiles({ unified = {} }: CgroupLimits): LimitFile[] {
  return Object.entries(unified).flatMap(([key, value]) =>
    file(`unified["${key}"]`, key.split('.')[0] ?? '', key, value),
  );
}

/** Those that differ by the end of their names at most. */
function filesOfBoth(
  { cpusetCpus, cpusetMems, hugepages = [] }: CgroupLimits,
  hugetlbEnd: 'limit_in_bytes' | 'max',
): LimitFile[] {
  return [
    file('cpusetCpus', 'cpuset', 'cpuset.cpus', cpusetCpus),
    file('cpusetMems', 'cpuset', 'cpuset.mems', cpusetMems),
    ...hugepages.flatMap(({ pageSize, bytes }) =>
      // OCI runtimes limit what is reserved as well, where the kernel (5.7 and newer) counts it.
      [`hugetlb.${pageSize}.${hugetlbEnd}`, `hugetlb.${pageSize}.rsvd.${hugetlbEnd}`].map((name, index) =>
        file('hugepages', 'hugetlb', name, hugetlbEnd === 'max' ? orMax(bytes) : bytes, index > 0),
      ),
    ),
  ].flat();
}

function file(
  limit: string,
  controller: string,
  name: string,
  wanted: number | string | undefined,
  optional = false,
): LimitFile[] {
  return wanted === undefined ? [] : [{ limit, controller, file: name, value: `${wanted}`, optional }];
}

/** What of a v2 group's memory stays when the kernel drops the pages that it can read again: memory.current less memory.stat's inactive_file. */
export function unreclaimableBytes({ current, stat }: { current: string; stat: string }): number {
  return Number(current) - Number(/^inactive_file (\d+)$/m.exec(stat)?.[1] ?? '0');
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
