import type { ProcessIdentity } from '../ports/processes.js';
import type { Pods } from './pods.js';

/** Whether the process that a record names still lives: a pid that is used again is another process. */
export function isAlive(pods: Pods, process: ProcessIdentity | undefined): boolean {
  if (process === undefined) return false;
  return pods.parts.host.processes.identify(process.pid)?.startTicks === process.startTicks;
}
