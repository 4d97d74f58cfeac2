import type { CgroupMeters, CgroupReading } from '../../../src/ports/cgroup-meter.js';
import type { UsageProbes } from '../../../src/ports/usage-probes.js';
import type { Session } from './session.js';
import { never } from './session.js';

const bytesPerProcess = 4096;
const diskBytes = 2 ** 30;
const diskInodes = 2 ** 16;

/** Counters of a machine whose processes use no CPU and one page each. Reading them changes nothing, so it is no effect. */
export function simCgroupMeters(session: Session): CgroupMeters {
  const { cgroups, processes } = session.machine;
  const reading = (tasks: number): CgroupReading => ({
    cpu: { usageNs: 0, pressure: undefined },
    memory: {
      usageBytes: tasks * bytesPerProcess,
      workingSetBytes: tasks * bytesPerProcess,
      limitBytes: undefined,
      rssBytes: tasks * bytesPerProcess,
      cacheBytes: 0,
      mappedFileBytes: 0,
      activeFileBytes: 0,
      inactiveFileBytes: 0,
      pageFaults: 0,
      majorPageFaults: 0,
      swap: undefined,
      pressure: undefined,
    },
    tasks,
    ioPressure: undefined,
  });
  return {
    open: async () => {
      if (session.isDead) await never();
      return {
        read: (path) => (cgroups.has(path) ? reading(processes.inCgroup(path).length) : undefined),
        detail: (path) =>
          cgroups.has(path)
            ? {
                cpu: undefined,
                memory: undefined,
                maxTasks: undefined,
                pids: processes.all().flatMap(({ pid, cgroup }) => (cgroup === path ? [pid] : [])),
                disks: [],
                hugepages: [],
              }
            : undefined,
      };
    },
  };
}

export function simUsageProbes(session: Session): UsageProbes {
  const { files, processes } = session.machine;
  const alive = async <T>(value: T): Promise<T> => (session.isDead ? never() : value);
  return {
    openFiles: (pid) => alive(processes.get(pid) && { descriptors: 3, sockets: 0, softLimit: 1024 }),
    folder: async (dir, { maxEntries }) => {
      if (files.find(dir)?.kind !== 'dir') return alive(undefined);
      const paths = files.paths(dir);
      const counted = paths.slice(0, maxEntries - 1);
      const bytes = counted.reduce((sum, path) => {
        const node = files.find(path.replace(/\/$/, ''));
        return sum + (node?.kind === 'file' ? Math.ceil(node.content.length / 4096) * 4096 : 0);
      }, 0);
      return alive({ bytes, inodes: counted.length + 1, complete: counted.length === paths.length });
    },
    fileSystem: () =>
      alive({
        device: '/dev/sim',
        capacityBytes: diskBytes,
        availableBytes: diskBytes / 2,
        inodes: diskInodes,
        freeInodes: diskInodes,
      }),
    deviceName: ({ major, minor }) => `${major}:${minor}`,
  };
}
