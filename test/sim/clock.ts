import type { Clock } from '../../src/ports/clock.js';

/** A virtual clock: time passes only in `advance`, and timers fire in order. */
export class SimClock implements Clock {
  private ms = 1_700_000_000_000;
  private timers: { atMs: number; fire: () => void }[] = [];

  nowNs(): bigint {
    return BigInt(this.ms) * 1_000_000n;
  }

  monotonicMs(): number {
    return this.ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (): void =>
        reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      if (signal?.aborted === true) return refuse();
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        cancel();
        refuse();
      };
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  after(ms: number, fire: () => void): () => void {
    const timer = { atMs: this.ms + ms, fire };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Lets `ms` pass; all work that has become due gets to run between timers. */
  async advance(ms: number): Promise<void> {
    const endMs = this.ms + ms;
    await settle();
    for (;;) {
      const next = this.timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.ms = Math.max(this.ms, next.atMs);
      this.timers = this.timers.filter((other) => other !== next);
      next.fire();
      await settle();
    }
    this.ms = endMs;
    await settle();
  }
}

/** Enough turns for in-memory work that is chained on promises to come to rest. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
