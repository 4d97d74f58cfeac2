import fs from 'node:fs';
import type { ProcessIdentity, Processes } from '../ports/processes.js';
import { ChildReaper } from './child-reaper.js';
import { startMonitor } from './monitor-start.js';
import { moveOomScore } from './oom-score.js';
import { hasOpen } from './open-files.js';
import { hasEnded, identify, kill, waitGone } from './process-identity.js';
import { allProcesses, killTree } from './process-tree.js';
import { markName } from './posix-spawn.js';
import { createSealedPrograms } from './sealed-programs.js';
import { runTool } from './tool-run.js';

/** Processes of this machine. */
export function createProcesses(): Processes {
  const reaper = new ChildReaper();
  return {
    run: (options) => runTool(reaper, options),
    startMonitor: (options) => startMonitor(reaper, options),
    sealed: createSealedPrograms(),
    identify,
    hasOpen,
    kill,
    moveOomScore,
    killTree: async ({ pid, startTicks }) => {
      const mark = markOf(pid);
      if (mark === undefined || identify(pid)?.startTicks !== startTicks) return;
      await killTree({ pid, mark, reaped: false });
    },
    waitGone,
    list: async () => {
      const found: { identity: ProcessIdentity; argv: string[] }[] = [];
      for await (const facts of allProcesses()) {
        const argv = hasEnded(facts) ? undefined : argvOf(facts.pid);
        if (argv !== undefined)
          found.push({ identity: { pid: facts.pid, startTicks: facts.startTicks }, argv });
      }
      return found;
    },
  };
}

/** What a process and its descendants are known by; undefined where it has ended, or is none of nodelet's. */
function markOf(pid: number): string | undefined {
  try {
    const environment = fs.readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    return environment.find((entry) => entry.startsWith(`${markName}=`));
  } catch {
    return undefined;
  }
}

/** Undefined where the process has ended meanwhile. */
function argvOf(pid: number): string[] | undefined {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return undefined;
  }
}
