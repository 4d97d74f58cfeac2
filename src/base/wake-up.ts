/** What of the clock port it takes to wait. */
interface Timers {
  after(ms: number, fire: () => void): () => void;
}

/** Lets one waiter sleep until something has happened since it woke last. */
export class WakeUp {
  private rung = false;
  private wake: () => void = () => undefined;

  readonly ring = (): void => {
    this.rung = true;
    this.wake();
  };

  /** Resolves at the next ring, at once where there was one since the last wait, when the signal aborts, and after `atMostMs` in any case. */
  async wait(timers: Timers, atMostMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.rung)
      await new Promise<void>((resolve) => {
        const cancel = timers.after(atMostMs, resolve);
        this.wake = () => {
          cancel();
          resolve();
        };
        signal?.addEventListener('abort', this.wake, { once: true });
      });
    signal?.removeEventListener('abort', this.wake);
    this.rung = false;
    this.wake = () => undefined;
  }
}
