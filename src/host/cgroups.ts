import { closeSync, openSync, writeSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import { settleAll } from '../base/settle-all.js';
import type { CgroupInfo, CgroupLimits, Cgroups } from '../ports/cgroups.js';
import { controllersToEnable, oomKillsIn } from './cgroup-limits.js';
import { killGroup, thawGroup } from './cgroup-kill.js';
import { controllersOf, namesIn, pidsBelow } from './cgroup-tree.js';
import type { Hierarchy } from './cgroup-hierarchies.js';
import { cgroupHierarchies, cgroupRoot, controllersOfV1 } from './cgroup-hierarchies.js';
import { updateGroup } from './cgroup-update.js';
import { bind } from './libc.js';
import { mountCgroupV1 } from './mounts.js';
import { unmountedControllers } from './stranded-controllers.js';

const write = bind<(fd: number, text: string, bytes: number) => number>(
  'long write(int fd, const char *text, unsigned long bytes)',
);

/** Control groups as files under /sys/fs/cgroup, cgroups(7): every v1 hierarchy, or the one v2 tree. */
export function createCgroups(): Cgroups {
  const dirs = async (group: string) => (await cgroupHierarchies()).map(({ dir }) => path.join(dir, group));
  const removeDir = async (dir: string): Promise<void> => {
    try {
      await fs.rmdir(dir);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY') throw thrown;
      const below = await namesIn(dir);
      if (below.length === 0) {
        throw new NodeletError('wrong-state', `cgroup ${dir} still has processes`, { cause: thrown });
      }
      for (const name of below) await removeDir(path.join(dir, name));
      await removeDir(dir);
    }
  };
  return {
    info: async (): Promise<CgroupInfo> => {
      const all = await cgroupHierarchies();
      const v2 = all.find(({ kind }) => kind === 'v2');
      const onV2 = v2 === undefined ? [] : await controllersOf(v2, '/');
      const v1 = all.filter(({ kind }) => kind === 'v1').flatMap(({ dir }) => controllersOfV1(dir));
      if (v1.length === 0) return { version: 'v2', strandedControllers: [], controllers: onV2 };
      if (v2 === undefined) return { version: 'v1', strandedControllers: [], controllers: v1 };
      const nowhere = unmountedControllers(await fs.readFile('/proc/self/cgroup', 'utf8'), v1);
      return { version: 'hybrid', strandedControllers: [...onV2, ...nowhere], controllers: v1 };
    },
    create: async (group: string, limits: CgroupLimits = {}) => {
      const all = await cgroupHierarchies();
      await settleAll(all.map((hierarchy) => createIn(hierarchy, group)));
      await updateGroup(all, { group, limits });
    },
    update: async (group, limits) => updateGroup(await cgroupHierarchies(), { group, limits }),
    remove: async (group) => {
      await settleAll((await dirs(group)).map(removeDir));
    },
    attach: async (group, pid) => {
      // One after the other: the kernel lets one through at a time, and the rest would hold libuv's threads meanwhile.
      for (const dir of await dirs(group)) {
        try {
          await move(path.join(dir, 'cgroup.procs'), pid);
        } catch (thrown) {
          const { code } = thrown as NodeJS.ErrnoException;
          if (code === 'ESRCH') return false;
          if (code !== 'ENOENT') throw thrown;
          throw new NodeletError('not-found', `there is no cgroup ${dir}`, { cause: thrown });
        }
      }
      return true;
    },
    kill: async (group, timeoutMs) => killGroup(await cgroupHierarchies(), { group, timeoutMs }),
    thaw: async (group) => thawGroup(await cgroupHierarchies(), group),
    pids: async (group) => [...new Set((await Promise.all((await dirs(group)).map(pidsBelow))).flat())],
    children: async (group) =>
      [...new Set((await Promise.all((await dirs(group)).map(namesIn))).flat())].sort(),
    oomKills: async (group) => {
      for (const { dir, kind } of await cgroupHierarchies()) {
        const file = path.join(dir, group, kind === 'v2' ? 'memory.events' : 'memory.oom_control');
        const text = await fs.readFile(file, 'utf8').catch(() => '');
        const kills = oomKillsIn(text);
        if (kills !== undefined) return kills;
      }
      return 0;
    },
    mountV1Controller: async (controller) => {
      const dir = path.join(cgroupRoot, controller);
      await fs.mkdir(dir, { recursive: true });
      mountCgroupV1(controller, dir);
    },
  };
}

/** Only the write waits, for a grace period of the kernel's; its errno does not leave the thread, so a failed one is repeated here. */
async function move(file: string, pid: number): Promise<void> {
  const text = String(pid);
  const fd = openSync(file, 'w');
  try {
    if ((await write.inWorker(fd, text, text.length)) !== text.length) writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

async function createIn({ dir, kind }: Hierarchy, group: string): Promise<void> {
  const hasCpuset = kind === 'v1' && controllersOfV1(dir).includes('cpuset');
  let at = dir;
  for (const part of group.split('/').filter(Boolean)) {
    const parent = at;
    at = path.join(at, part);
    if (kind === 'v2') await enableControllers(parent);
    await fs.mkdir(at).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'EEXIST') throw thrown;
    });
    if (hasCpuset) await inheritCpuset(parent, at);
  }
}

/** A child group on v2 has only the controllers that its parent hands down. */
async function enableControllers(dir: string): Promise<void> {
  const [controllers = '', subtreeControl = ''] = await Promise.all(
    ['cgroup.controllers', 'cgroup.subtree_control'].map((name) => fs.readFile(path.join(dir, name), 'utf8')),
  );
  const missing = controllersToEnable({ controllers, subtreeControl });
  if (missing.length === 0) return;
  const wanted = missing.map((name) => `+${name}`).join(' ');
  await fs
    .writeFile(path.join(dir, 'cgroup.subtree_control'), wanted)
    .catch((thrown: NodeJS.ErrnoException) => {
      throw new NodeletError(
        'tool-failed',
        `controllers ${missing.join(', ')} can't be enabled below cgroup ${dir}: ${thrown.code}`,
        {
          remedy:
            thrown.code === 'EBUSY'
              ? 'a group that has processes of its own hands no controllers down: choose another cgroup parent'
              : 'see which controllers this cgroup has in its file cgroup.controllers',
          cause: thrown,
        },
      );
    });
}

/** A new v1 cpuset has no CPUs and takes no process until it is given its parent's. */
async function inheritCpuset(parent: string, dir: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = await fs.readFile(path.join(dir, file), 'utf8').catch(() => undefined);
    if (own?.trim() !== '') continue;
    await fs.writeFile(path.join(dir, file), await fs.readFile(path.join(parent, file), 'utf8'));
  }
}
