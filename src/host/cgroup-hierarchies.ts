import fs from 'node:fs/promises';
import path from 'node:path';
import { isBelow } from '../base/path-below.js';
import { parseMountInfo } from './mounts.js';

export const cgroupRoot = '/sys/fs/cgroup';

export interface Hierarchy {
  dir: string;
  /** `v2`, or the controllers of a v1 hierarchy. */
  kind: 'v1' | 'v2';
}

/** Hierarchies come and go unannounced, so they are looked up each time; of the mounts, many with many pods, only theirs are parsed. */
export async function cgroupHierarchies(): Promise<Hierarchy[]> {
  const mounts = (await fs.readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return parseMountInfo(mounts.filter((line) => line.includes(' - cgroup')).join('\n'))
    .filter(
      ({ fsType, target }) =>
        /^cgroup2?$/.test(fsType) && (target === cgroupRoot || isBelow(target, cgroupRoot)),
    )
    .map(({ fsType, target }) => ({ dir: target, kind: fsType === 'cgroup2' ? 'v2' : 'v1' }));
}

/** The controllers that a v1 hierarchy is mounted for: its folder is named after them. */
export function controllersOfV1(dir: string): string[] {
  return path.basename(dir).split(',');
}
