/** One line of a pressure file: how long work has stood still, and what share of the last 10, 60 and 300 s, in percent. */
export interface PressureShare {
  totalNs: number;
  avg10: number;
  avg60: number;
  avg300: number;
}

/** Pressure stall information of one resource (kernel: accounting/psi): some of the tasks stood still, or all of them. */
export interface Pressure {
  some: PressureShare;
  full: PressureShare;
}

/**
 * What stats are made of. Numbers are exact up to 2^53, which is 104 days of one CPU's nanoseconds and 8 PiB;
 * beyond that they are rounded to a few units.
 */
export interface CgroupReading {
  cpu: { usageNs: number; pressure: Pressure | undefined } | undefined;
  memory: MemoryReading | undefined;
  /** Threads in the group and below it. */
  tasks: number | undefined;
  ioPressure: Pressure | undefined;
}

export interface MemoryReading {
  usageBytes: number;
  /** Usage without the page cache that was not used lately: what the kernel can't take back cheaply. */
  workingSetBytes: number;
  /** Undefined where there is no limit. */
  limitBytes: number | undefined;
  rssBytes: number;
  cacheBytes: number;
  mappedFileBytes: number;
  activeFileBytes: number;
  inactiveFileBytes: number;
  pageFaults: number;
  majorPageFaults: number;
  /** Undefined where the kernel keeps no account of swap; a limit that is undefined is none. */
  swap: { usageBytes: number; limitBytes: number | undefined } | undefined;
  pressure: Pressure | undefined;
}

/** What only metrics tell: read where somebody asks for them. A part is undefined where the machine has no such controller. */
export interface CgroupDetail {
  cpu:
    | {
        userNs: number;
        systemNs: number;
        /** Periods in which the group had a quota, those in which it ran out of it, and for how long. */
        periods: number;
        throttledPeriods: number;
        throttledNs: number;
        shares: number;
        periodUs: number;
        quotaUs: number | undefined;
      }
    | undefined;
  memory:
    | {
        /** Undefined where the kernel keeps no high-water mark. */
        maxUsageBytes: number | undefined;
        kernelBytes: number;
        /** How often the usage ran into the limit. */
        limitHits: number;
        oomKills: number;
        /** What is protected from reclaim, at best effort; undefined: nothing. */
        reservationBytes: number | undefined;
        /** Faults of the group itself, without those of groups below it. */
        ownPageFaults: number;
        ownMajorPageFaults: number;
      }
    | undefined;
  /** Undefined where there is no limit. */
  maxTasks: number | undefined;
  /** Processes of the group itself, by the pids of nodelet's own PID namespace. */
  pids: number[];
  disks: DiskReading[];
  hugepages: { size: string; usageBytes: number; maxUsageBytes: number | undefined }[];
}

/** What a group has read from and written to one block device. */
export interface DiskReading {
  major: number;
  minor: number;
  reads: number;
  readBytes: number;
  writes: number;
  writtenBytes: number;
}

/** Counters of control groups, by path relative to the hierarchy's root. Both reads are synchronous: 20 to 300 microseconds. */
export interface CgroupMeter {
  /** Undefined where there is no such group. */
  read(path: string): CgroupReading | undefined;
  detail(path: string): CgroupDetail | undefined;
}

export interface CgroupMeters {
  /** A meter over the hierarchies as they are mounted now, v1 or v2. */
  open(): Promise<CgroupMeter>;
}
