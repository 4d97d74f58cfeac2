import { bind } from './libc.js';

const mallopt = bind<(parameter: number, value: number) => number>('int mallopt(int parameter, int value)');
const mallocTrim = bind<(pad: number) => number>('int malloc_trim(size_t pad)');

/** M_TRIM_THRESHOLD, mallopt(3), and what it is by itself. */
const trimThreshold = -1;
const usualBytes = 128 * 1024;
/** What streams leave between two garbage collections. */
const keptBytes = 32 * 1024 * 1024;
const idleMs = 5_000;

let users = 0;
let goingBack: NodeJS.Timeout | undefined;

/**
 * Has malloc keep what is freed as long as bytes stream, until the returned function is called. libuv allocates 64 KiB for each
 * read and the garbage collector frees them in bursts: giving those pages back and faulting them in anew costs several times
 * what moving the bytes through them does. Some seconds after the last stream all goes back.
 */
export function keepFreedMemory(): () => void {
  clearTimeout(goingBack);
  if (users === 0 && goingBack === undefined) mallopt(trimThreshold, keptBytes);
  goingBack = undefined;
  users += 1;
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    users -= 1;
    if (users === 0) goingBack = setTimeout(giveBack, idleMs).unref();
  };
}

function giveBack(): void {
  goingBack = undefined;
  mallopt(trimThreshold, usualBytes);
  void mallocTrim.inWorker(0).catch(() => undefined);
}
