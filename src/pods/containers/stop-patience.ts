import { throwIfGone } from '../../base/call-context.js';
import type { Host } from '../../ports/host.js';
import type { ProcessIdentity } from '../../ports/processes.js';

/** How long a stop still waits for its container; it can be shortened while somebody waits. */
export class StopPatience {
  private untilMs: number;
  private shortened = new AbortController();

  constructor(
    private readonly host: Pick<Host, 'clock' | 'processes'>,
    timeoutMs: number,
  ) {
    this.untilMs = host.clock.monotonicMs() + timeoutMs;
  }

  isOver(): boolean {
    return this.leftMs() <= 0;
  }

  /** Ends `timeoutMs` from now, unless it ends before that anyway. */
  shorten(timeoutMs: number): void {
    const untilMs = this.host.clock.monotonicMs() + timeoutMs;
    if (untilMs >= this.untilMs) return;
    this.untilMs = untilMs;
    this.shortened.abort();
    this.shortened = new AbortController();
  }

  /** True once the process is gone, false when patience is at its end; throws the reason when `signal` is aborted first. */
  async awaitEnd(process: ProcessIdentity, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      const interrupt = AbortSignal.any([signal, this.shortened.signal]);
      if (await this.host.processes.waitGone(process, Math.max(0, this.leftMs()), interrupt)) return true;
      throwIfGone({ signal });
      if (this.isOver()) return false;
    }
  }

  private leftMs(): number {
    return this.untilMs - this.host.clock.monotonicMs();
  }
}
