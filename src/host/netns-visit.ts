import fs from 'node:fs';
import { bind, mustSucceed } from './libc.js';

export const newNet = 0x40000000;
const setns = bind<(fd: number, type: number) => number>('int setns(int fd, int type)');

/**
 * Runs `work` with the main thread in another network namespace: `enter` goes there, the way back is ours. All of it
 * happens within one turn of the event loop, so that no other work of nodelet's ever runs in there. A way back that
 * fails ends the process at once: going on would configure the pod's network in place of the host's.
 */
export function visitNetns<T>(enter: () => void, work: () => T): T {
  const home = fs.openSync('/proc/thread-self/ns/net', 'r');
  try {
    enter();
    try {
      return work();
    } finally {
      if (setns(home, newNet) !== 0) {
        fs.writeSync(2, 'nodelet: the way back into the host network namespace failed: aborting\n');
        process.abort();
      }
    }
  } finally {
    fs.closeSync(home);
  }
}

/** Enters the network namespace that is open as `fd`. */
export function enterNetns(fd: number): void {
  mustSucceed(setns(fd, newNet), 'entering a network namespace');
}
