import type { Clock } from '../ports/clock.js';
import { bind } from './libc.js';

const clockGettime = bind<(clock: number, time: Buffer) => number>(
  'int clock_gettime(int clock, void *time)',
);
const realTime = 0;

/** The wall clock as it is set now, to the nanosecond, which Node itself doesn't tell. */
function wallClockNs(): bigint {
  const time = Buffer.alloc(16);
  clockGettime(realTime, time);
  return time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
}

/** The kernel's clocks. */
export function createClock(): Clock {
  return {
    nowNs: wallClockNs,
    monotonicMs: () => performance.now(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const fail = () => {
          clearTimeout(timer);
          reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
        };
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', fail);
          resolve();
        }, ms);
        if (signal?.aborted === true) fail();
        else signal?.addEventListener('abort', fail, { once: true });
      }),
    after: (ms, fire) => {
      const timer = setTimeout(fire, ms);
      return () => clearTimeout(timer);
    },
  };
}
