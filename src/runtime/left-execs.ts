import type { Log } from '../base/call-context.js';
import type { Host } from '../ports/host.js';

export interface LeftExecParts extends Pick<Host, 'processes' | 'files'> {
  log: Log;
  /** Folder of the runtimes' own state, by which nodelet's calls of them are known; with a final slash. */
  stateRoots: string;
}

/**
 * Ends what a daemon that was killed has left of its execs: their client is gone with it, nobody reads what they print, and
 * nobody would end them at their time. Their commands go with them, and the files that they were made from.
 */
export async function endLeftExecs({ processes, files, log, stateRoots }: LeftExecParts): Promise<void> {
  for (const { identity, argv } of await processes.list()) {
    const valueOf = (option: string): string => argv[argv.indexOf(option) + 1] ?? '';
    if (!argv.includes('exec') || !valueOf('--root').startsWith(stateRoots)) continue;
    log.info({ pid: identity.pid }, 'an exec that the last run has left is ended');
    await processes.killTree(identity);
    await Promise.all([files.removeTree(valueOf('--process')), files.removeTree(valueOf('--log'))]);
  }
}
