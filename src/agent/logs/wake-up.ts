import type { Clock } from '../../ports/clock.js';

/** Lets one waiter sleep until something has happened since it woke last. */
export class WakeUp {
  private rung = false;
  private wake: () => void = () => undefined;

  readonly ring = (): void => {
    this.rung = true;
    this.wake();
  };

  /** Resolves at the next ring, at once where there was one since the last wait, and after `atMostMs` in any case. */
  async wait(clock: Clock, atMostMs: number): Promise<void> {
    if (!this.rung)
      await new Promise<void>((resolve) => {
        const cancel = clock.after(atMostMs, resolve);
        this.wake = () => {
          cancel();
          resolve();
        };
      });
    this.rung = false;
    this.wake = () => undefined;
  }
}
