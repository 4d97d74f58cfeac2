import type { Clock } from '../ports/clock.js';

/** The kernel's clocks. */
export function createClock(): Clock {
  const epochOffsetNs = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
  return {
    nowNs: () => epochOffsetNs + process.hrtime.bigint(),
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
