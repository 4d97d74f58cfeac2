import fs from 'node:fs/promises';
import path from 'node:path';
import { controllersOfV1 } from './cgroup-hierarchies.js';
import type { Hierarchy } from './cgroup-hierarchies.js';
import { parseControllers } from './cgroup-limits.js';

/** Controllers that a group can use in one hierarchy; none where there is no such group. */
export async function controllersOf({ dir, kind }: Hierarchy, group: string): Promise<string[]> {
  if (kind === 'v1') return controllersOfV1(dir);
  return parseControllers(
    await fs.readFile(path.join(dir, group, 'cgroup.controllers'), 'utf8').catch(() => ''),
  );
}

/** Names of the groups directly below one; none where it is gone. */
export async function namesIn(dir: string): Promise<string[]> {
  const entries = await fs.readdir(dir, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Live pids in the group and below it. */
export async function pidsBelow(dir: string): Promise<number[]> {
  const own = await fs.readFile(path.join(dir, 'cgroup.procs'), 'utf8').catch(() => '');
  const below = await Promise.all((await namesIn(dir)).map((name) => pidsBelow(path.join(dir, name))));
  return [
    ...own
      .split('\n')
      .filter((line) => line !== '')
      .map(Number),
    ...below.flat(),
  ];
}
