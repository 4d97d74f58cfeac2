import type { CgroupDetail, CgroupReading, Pressure } from '../../src/ports/cgroup-meter.js';
import type { DetailSample, UsageSample } from '../../src/pods/stats/usage-sample.js';

const pressure: Pressure = {
  some: { totalNs: 2_500_000_000, avg10: 1, avg60: 2, avg300: 3 },
  full: { totalNs: 1_500_000_000, avg10: 0.1, avg60: 0.2, avg300: 0.3 },
};

/** A reading in which everything is there. */
export function fullReading(usageNs = 7_900_000_000): CgroupReading {
  return {
    cpu: { usageNs, pressure },
    memory: {
      usageBytes: 1000,
      workingSetBytes: 900,
      limitBytes: 4000,
      rssBytes: 800,
      cacheBytes: 200,
      mappedFileBytes: 50,
      activeFileBytes: 100,
      inactiveFileBytes: 100,
      pageFaults: 12,
      majorPageFaults: 3,
      swap: { usageBytes: 64, limitBytes: 128 },
      pressure,
    },
    tasks: 5,
    ioPressure: pressure,
  };
}

export function fullDetail(): CgroupDetail {
  return {
    cpu: {
      userNs: 5_000_000_000,
      systemNs: 2_900_000_000,
      periods: 10,
      throttledPeriods: 2,
      throttledNs: 1_999_999_999,
      shares: 512,
      periodUs: 100_000,
      quotaUs: 20_000,
    },
    memory: {
      maxUsageBytes: 2000,
      kernelBytes: 30,
      limitHits: 4,
      oomKills: 1,
      reservationBytes: undefined,
      ownPageFaults: 11,
      ownMajorPageFaults: 2,
    },
    maxTasks: undefined,
    pids: [70, 71],
    disks: [{ major: 254, minor: 0, reads: 1, readBytes: 2, writes: 3, writtenBytes: 4 }],
    hugepages: [{ size: '2MB', usageBytes: 0, maxUsageBytes: 2_097_152 }],
  };
}

export const fullSample = (): UsageSample => ({
  timestampNs: '1700000010000000000',
  monotonicMs: 10_000,
  reading: fullReading(),
  nanoCores: 250_000_000,
});

export const fullDetailSample = (): DetailSample => ({
  timestampNs: '1700000010000000000',
  detail: fullDetail(),
  files: { descriptors: 9, sockets: 2, softLimit: 1024 },
});
