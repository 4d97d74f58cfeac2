import fs from 'node:fs';
import path from 'node:path';
import type { CgroupMeter, CgroupMeters } from '../ports/cgroup-meter.js';
import { cgroupHierarchies, controllersOfV1 } from './cgroup-hierarchies.js';
import type { ReadV1 } from './cgroup-meter-v1.js';
import { detailV1, readingV1 } from './cgroup-meter-v1.js';
import type { ReadV2 } from './cgroup-meter-v2.js';
import { detailV2, readingV2 } from './cgroup-meter-v2.js';
import { readKernelFile } from './kernel-file.js';

/** Counters of control groups from their files. */
export function createCgroupMeters(): CgroupMeters {
  return {
    open: async () => {
      const all = await cgroupHierarchies();
      const v1 = all.filter(({ kind }) => kind === 'v1');
      const [first] = all;
      if (v1.length === 0 && first !== undefined) return meterV2(first.dir);
      return meterV1(
        new Map(v1.flatMap(({ dir }) => controllersOfV1(dir).map((name) => [name, dir] as const))),
      );
    },
  };
}

function meterV1(dirs: ReadonlyMap<string, string>): CgroupMeter {
  const hugetlb = dirs.get('hugetlb');
  const sizes = hugetlb === undefined ? [] : hugepageSizes(hugetlb, /^hugetlb\.(\d+[KMG]B)\.usage_in_bytes$/);
  const readerOf =
    (group: string): ReadV1 =>
    (controller, file) => {
      const dir = dirs.get(controller);
      return dir === undefined ? undefined : readKernelFile(path.join(dir, group, file));
    };
  return {
    read: (group) => readingV1(readerOf(group)),
    detail: (group) => detailV1(readerOf(group), sizes),
  };
}

function meterV2(dir: string): CgroupMeter {
  const pressure = readKernelFile('/proc/pressure/cpu') !== undefined;
  const readerOf =
    (group: string): ReadV2 =>
    (file) =>
      readKernelFile(path.join(dir, group, file));
  return {
    read: (group) => readingV2(readerOf(group), { pressure }),
    detail: (group) =>
      detailV2(readerOf(group), hugepageSizes(path.join(dir, group), /^hugetlb\.(\d+[KMG]B)\.current$/)),
  };
}

/** Sizes of huge pages as the names of cgroup files write them (`2MB`). */
function hugepageSizes(dir: string, pattern: RegExp): string[] {
  // The group may have gone: it has no sizes then, nor anything else.
  const names = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
  return names.flatMap((name) => pattern.exec(name)?.[1] ?? []);
}
