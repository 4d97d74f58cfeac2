import type { CgroupDetail, CgroupReading, MemoryReading } from '../ports/cgroup-meter.js';
import { disksInBlkio, keyedNumbers, numberIn, pidsIn } from './cgroup-text.js';

/** Reads `FILE` of the group in the hierarchy of `controller`; undefined where there is none. */
export type ReadV1 = (controller: string, file: string) => string | undefined;

const defaultPeriodUs = 100_000;
/** cpuacct.stat counts ticks of USER_HZ, which is 100 on every architecture that Node supports. */
const nsPerTick = 10_000_000;
/** v1 writes no limit as the largest number of whole pages. */
const noLimitBytes = 2 ** 62;

const limitIn = (text: string | undefined): number | undefined => {
  const bytes = numberIn(text);
  return bytes === undefined || bytes >= noLimitBytes ? undefined : bytes;
};

/** One group over all v1 hierarchies (kernel: admin-guide/cgroup-v1). */
export function readingV1(read: ReadV1): CgroupReading | undefined {
  const usageNs = numberIn(read('cpuacct', 'cpuacct.usage'));
  const memory = memoryV1(read);
  const tasks = numberIn(read('pids', 'pids.current'));
  if (usageNs === undefined && memory === undefined && tasks === undefined) return undefined;
  return {
    // v1 groups have no pressure files.
    cpu: usageNs === undefined ? undefined : { usageNs, pressure: undefined },
    memory,
    tasks,
    ioPressure: undefined,
  };
}

function memoryV1(read: ReadV1): MemoryReading | undefined {
  const usageBytes = numberIn(read('memory', 'memory.usage_in_bytes'));
  if (usageBytes === undefined) return undefined;
  const stat = keyedNumbers(read('memory', 'memory.stat'));
  const total = (key: string) => stat.get(`total_${key}`) ?? 0;
  const limitBytes = limitIn(read('memory', 'memory.limit_in_bytes'));
  return {
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - total('inactive_file')),
    limitBytes,
    rssBytes: total('rss'),
    cacheBytes: total('cache'),
    mappedFileBytes: total('mapped_file'),
    activeFileBytes: total('active_file'),
    inactiveFileBytes: total('inactive_file'),
    pageFaults: total('pgfault'),
    majorPageFaults: total('pgmajfault'),
    swap: stat.has('total_swap')
      ? { usageBytes: total('swap'), limitBytes: swapLimit(read, limitBytes) }
      : undefined,
    pressure: undefined,
  };
}

/** v1 limits memory and swap together; what is beyond the memory's limit can only be swap. */
function swapLimit(read: ReadV1, memoryLimitBytes: number | undefined): number | undefined {
  if (memoryLimitBytes === undefined) return undefined;
  const both = limitIn(read('memory', 'memory.memsw.limit_in_bytes'));
  return both === undefined ? undefined : Math.max(0, both - memoryLimitBytes);
}

export function detailV1(read: ReadV1, hugepageSizes: readonly string[]): CgroupDetail | undefined {
  const processes = read('memory', 'cgroup.procs') ?? read('cpuacct', 'cgroup.procs');
  if (processes === undefined) return undefined;
  return {
    cpu: cpuDetailV1(read),
    memory: memoryDetailV1(read),
    maxTasks: numberIn(read('pids', 'pids.max')),
    pids: pidsIn(processes),
    disks: disksInBlkio({
      operations: read('blkio', 'blkio.throttle.io_serviced_recursive'),
      bytes: read('blkio', 'blkio.throttle.io_service_bytes_recursive'),
    }),
    hugepages: hugepageSizes.flatMap((size) => {
      const usageBytes = numberIn(read('hugetlb', `hugetlb.${size}.usage_in_bytes`));
      const maxUsageBytes = numberIn(read('hugetlb', `hugetlb.${size}.max_usage_in_bytes`));
      return usageBytes === undefined ? [] : [{ size, usageBytes, maxUsageBytes }];
    }),
  };
}

function cpuDetailV1(read: ReadV1): CgroupDetail['cpu'] {
  const shares = numberIn(read('cpu', 'cpu.shares'));
  if (shares === undefined) return undefined;
  const ticks = keyedNumbers(read('cpuacct', 'cpuacct.stat'));
  const stat = keyedNumbers(read('cpu', 'cpu.stat'));
  const quotaUs = numberIn(read('cpu', 'cpu.cfs_quota_us')) ?? -1;
  return {
    userNs: (ticks.get('user') ?? 0) * nsPerTick,
    systemNs: (ticks.get('system') ?? 0) * nsPerTick,
    periods: stat.get('nr_periods') ?? 0,
    throttledPeriods: stat.get('nr_throttled') ?? 0,
    throttledNs: stat.get('throttled_time') ?? 0,
    shares,
    periodUs: numberIn(read('cpu', 'cpu.cfs_period_us')) ?? defaultPeriodUs,
    quotaUs: quotaUs < 0 ? undefined : quotaUs,
  };
}

function memoryDetailV1(read: ReadV1): CgroupDetail['memory'] {
  const limitHits = numberIn(read('memory', 'memory.failcnt'));
  if (limitHits === undefined) return undefined;
  const stat = keyedNumbers(read('memory', 'memory.stat'));
  return {
    maxUsageBytes: numberIn(read('memory', 'memory.max_usage_in_bytes')),
    kernelBytes: numberIn(read('memory', 'memory.kmem.usage_in_bytes')) ?? 0,
    limitHits,
    oomKills: keyedNumbers(read('memory', 'memory.oom_control')).get('oom_kill') ?? 0,
    reservationBytes: limitIn(read('memory', 'memory.soft_limit_in_bytes')),
    ownPageFaults: stat.get('pgfault') ?? 0,
    ownMajorPageFaults: stat.get('pgmajfault') ?? 0,
  };
}
