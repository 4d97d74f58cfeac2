import type { Clock } from '../../src/ports/clock.js';

/** A virtual clock: time passes only in `advance` and `drive`, and timers fire in order. */
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
    while (this.fireNext(endMs)) await settle();
    this.ms = endMs;
    await settle();
  }

  /**
   * Lets time pass until `work` has settled, without a wait in real time: whenever all work rests, the next
   * timer is due. Fails when work rests and no timer is left, or after `limitMs` of virtual time.
   */
  async drive<T>(work: Promise<T>, limitMs = 600_000): Promise<T> {
    const endMs = this.ms + limitMs;
    let settled = false;
    const noted = work.finally(() => (settled = true));
    noted.catch(() => undefined);
    for (;;) {
      await turn();
      if (settled) return noted;
      if (this.fireNext(endMs)) continue;
      throw new Error(this.timers.length === 0 ? 'it waits for ever' : `it takes more than ${limitMs} ms`);
    }
  }

  private fireNext(endMs: number): boolean {
    let next: { atMs: number; fire: () => void } | undefined;
    for (const timer of this.timers) {
      if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    }
    if (next === undefined) return false;
    this.ms = Math.max(this.ms, next.atMs);
    this.timers.splice(this.timers.indexOf(next), 1);
    next.fire();
    return true;
  }
}

/** One turn of the event loop: everything that is chained on promises alone has come to rest after it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Enough turns for work that also touches real sockets or files. */
async function settle(): Promise<void> {
  for (let count = 0; count < 20; count += 1) await turn();
}
