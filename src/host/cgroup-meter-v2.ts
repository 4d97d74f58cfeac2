import type { CgroupDetail, CgroupReading, MemoryReading } from '../ports/cgroup-meter.js';
import { sharesOfWeight } from './cgroup-limits.js';
import { disksInIoStat, keyedNumbers, numberIn, pidsIn, pressureIn } from './cgroup-text.js';

/** Reads `FILE` of the group; undefined where there is none. */
export type ReadV2 = (file: string) => string | undefined;

const defaultPeriodUs = 100_000;
const nsPerUs = 1000;

/** One group of the v2 tree (kernel: admin-guide/cgroup-v2). `pressure`: whether the kernel counts it at all. */
export function readingV2(read: ReadV2, { pressure }: { pressure: boolean }): CgroupReading | undefined {
  const pressureOf = (resource: string) => (pressure ? pressureIn(read(`${resource}.pressure`)) : undefined);
  // Every group but the root has this one, whatever its controllers.
  const cpu = keyedNumbers(read('cpu.stat'));
  const usageUs = cpu.get('usage_usec');
  if (usageUs === undefined) return undefined;
  return {
    cpu: { usageNs: usageUs * nsPerUs, pressure: pressureOf('cpu') },
    memory: memoryV2(read, pressureOf),
    tasks: numberIn(read('pids.current')),
    ioPressure: pressureOf('io'),
  };
}

function memoryV2(
  read: ReadV2,
  pressureOf: (resource: string) => MemoryReading['pressure'],
): MemoryReading | undefined {
  const usageBytes = numberIn(read('memory.current'));
  if (usageBytes === undefined) return undefined;
  const stat = keyedNumbers(read('memory.stat'));
  const value = (key: string) => stat.get(key) ?? 0;
  const swapBytes = numberIn(read('memory.swap.current'));
  return {
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - value('inactive_file')),
    limitBytes: numberIn(read('memory.max')),
    rssBytes: value('anon'),
    cacheBytes: value('file'),
    mappedFileBytes: value('file_mapped'),
    activeFileBytes: value('active_file'),
    inactiveFileBytes: value('inactive_file'),
    pageFaults: value('pgfault'),
    majorPageFaults: value('pgmajfault'),
    swap:
      swapBytes === undefined
        ? undefined
        : { usageBytes: swapBytes, limitBytes: numberIn(read('memory.swap.max')) },
    pressure: pressureOf('memory'),
  };
}

export function detailV2(read: ReadV2, hugepageSizes: readonly string[]): CgroupDetail | undefined {
  const processes = read('cgroup.procs');
  if (processes === undefined) return undefined;
  return {
    cpu: cpuDetailV2(read),
    memory: memoryDetailV2(read),
    maxTasks: numberIn(read('pids.max')),
    pids: pidsIn(processes),
    disks: disksInIoStat(read('io.stat')),
    hugepages: hugepageSizes.flatMap((size) => {
      const usageBytes = numberIn(read(`hugetlb.${size}.current`));
      return usageBytes === undefined ? [] : [{ size, usageBytes, maxUsageBytes: undefined }];
    }),
  };
}

function cpuDetailV2(read: ReadV2): CgroupDetail['cpu'] {
  const weight = numberIn(read('cpu.weight'));
  if (weight === undefined) return undefined;
  const stat = keyedNumbers(read('cpu.stat'));
  const us = (key: string) => (stat.get(key) ?? 0) * nsPerUs;
  // `max 100000`, or a quota and its period.
  const [quota, period] = (read('cpu.max') ?? '').trim().split(' ');
  return {
    userNs: us('user_usec'),
    systemNs: us('system_usec'),
    periods: stat.get('nr_periods') ?? 0,
    throttledPeriods: stat.get('nr_throttled') ?? 0,
    throttledNs: us('throttled_usec'),
    shares: sharesOfWeight(weight),
    periodUs: numberIn(period) ?? defaultPeriodUs,
    quotaUs: numberIn(quota),
  };
}

function memoryDetailV2(read: ReadV2): CgroupDetail['memory'] {
  const low = numberIn(read('memory.low'));
  if (low === undefined) return undefined;
  const stat = keyedNumbers(read('memory.stat'));
  const value = (key: string) => stat.get(key) ?? 0;
  const events = keyedNumbers(read('memory.events'));
  return {
    maxUsageBytes: numberIn(read('memory.peak')),
    // Linux before 5.18 has no sum of them.
    kernelBytes:
      stat.get('kernel') ?? value('kernel_stack') + value('pagetables') + value('percpu') + value('slab'),
    limitHits: events.get('max') ?? 0,
    oomKills: events.get('oom_kill') ?? 0,
    reservationBytes: low === 0 ? undefined : low,
    // v2 counts no group apart from those below it.
    ownPageFaults: value('pgfault'),
    ownMajorPageFaults: value('pgmajfault'),
  };
}
