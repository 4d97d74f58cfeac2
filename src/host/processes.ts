import fs from 'node:fs';
import type { ProcessIdentity, Processes } from '../ports/processes.js';
import { ChildReaper } from './child-reaper.js';
import { startMonitor } from './monitor-start.js';
import { hasEnded, identify, kill, waitGone } from './process-identity.js';
import { allProcesses } from './process-tree.js';
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
    kill,
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

/** Undefined where the process has ended meanwhile. */
function argvOf(pid: number): string[] | undefined {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return undefined;
  }
}
