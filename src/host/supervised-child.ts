import type { Child } from './posix-spawn.js';
import { killTree } from './process-tree.js';

/** A process in the middle of a disk operation that hangs can't even be killed; its caller is not kept waiting. */
const killPatienceMs = 5_000;

/** A child that is ended with all that came of it, as soon as there is a reason to. */
export class SupervisedChild {
  /** Resolves when the child itself has ended, or could not be made to. */
  readonly over: Promise<number | undefined>;
  private stopWaiting: () => void = () => undefined;
  private reason: Error | undefined;
  private killed: Promise<void> | undefined;

  constructor(
    private readonly child: Child,
    ended: Promise<number>,
  ) {
    this.over = new Promise((resolve, reject) => {
      this.stopWaiting = () => resolve(undefined);
      ended.then(resolve, reject);
    });
  }

  /** Kills the whole tree; the first reason counts. */
  end(reason: Error): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    const timer = setTimeout(this.stopWaiting, killPatienceMs);
    this.killed = Promise.all([killTree(this.child), this.over]).then(() => clearTimeout(timer));
  }

  /** The exit code once all is over; throws the reason when it was ended. */
  async outcome(): Promise<number> {
    const exitCode = await this.over;
    await this.killed;
    if (this.reason !== undefined || exitCode === undefined)
      throw this.reason ?? new Error('ended without reason');
    return exitCode;
  }
}
