import { abortReason, throwIfGone } from '../../base/call-context.js';

/** Bounds how much is downloaded at the same time; who comes first is served first. */
export class DownloadSlots {
  private readonly waiting: (() => void)[] = [];
  private taken = 0;

  constructor(private readonly max: number) {}

  /** Resolves with what gives the slot back once there is one; rejects with the signal's reason when aborted first. */
  async acquire(signal: AbortSignal): Promise<() => void> {
    throwIfGone({ signal });
    if (this.taken < this.max) this.taken += 1;
    else await this.turn(signal);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = this.waiting.shift();
      // The slot goes on to who waits, without becoming free in between.
      if (next === undefined) this.taken -= 1;
      else next();
    };
  }

  private turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(go), 1);
        reject(abortReason(signal));
      };
      this.waiting.push(go);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
