import fs from 'node:fs/promises';
import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { Hierarchy } from './cgroup-hierarchies.js';
import { pidsBelow } from './cgroup-tree.js';

const sigkill = 9;
const pauseMs = 5;

/**
 * Kills all that is in a group and below it. A fork may run ahead of one look, so it looks again until it finds nothing; v2
 * has a file that leaves no such gap (kernel 5.14 and newer).
 */
export async function killGroup(
  all: readonly Hierarchy[],
  { group, timeoutMs }: { group: string; timeoutMs: number },
): Promise<boolean> {
  if (path.join('/', group) === '/') throw new NodeletError('bug', 'the root group is never killed');
  const start = performance.now();
  for (;;) {
    const pids = await pidsIn(all, group);
    if (pids.length === 0) return true;
    if (performance.now() - start >= timeoutMs) return false;
    for (const { dir, kind } of all) {
      if (kind === 'v2') await writeIfThere(path.join(dir, group, 'cgroup.kill'), '1');
    }
    // Read a moment ago: a number is taken anew only after all others have been.
    for (const pid of pids) signal(pid);
    // The v1 freezer holds back even what has been killed.
    await thawGroup(all, group);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Undoes what the freezer of v1, or `cgroup.freeze` of v2, does to a group. */
export async function thawGroup(all: readonly Hierarchy[], group: string): Promise<void> {
  for (const { dir, kind } of all) {
    if (kind === 'v2') await writeIfThere(path.join(dir, group, 'cgroup.freeze'), '0');
    else if (path.basename(dir).split(',').includes('freezer'))
      await writeIfThere(path.join(dir, group, 'freezer.state'), 'THAWED');
  }
}

/** Zero stands for processes of PID namespaces that can't be seen from here. */
async function pidsIn(all: readonly Hierarchy[], group: string): Promise<number[]> {
  const found = await Promise.all(all.map(({ dir }) => pidsBelow(path.join(dir, group))));
  return [...new Set(found.flat())].filter((pid) => pid > 0);
}

function signal(pid: number): void {
  try {
    process.kill(pid, sigkill);
  } catch {
    // It has ended by itself meanwhile.
  }
}

/** Opened for writing without being made: a group that is gone, or a kernel without the file, has nothing to be written to. */
async function writeIfThere(file: string, value: string): Promise<void> {
  const opened = await fs.open(file, 'r+').catch(() => undefined);
  if (opened === undefined) return;
  await opened
    .write(value)
    .catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'ENODEV') throw thrown;
    })
    .finally(() => opened.close());
}
