import { abortReason } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Random } from '../../ports/random.js';
import { PassingFailure, retryOf } from './failures.js';

/** How long registries are borne with. */
export interface Patience {
  /** A connection that brings nothing for this long counts as broken. */
  stallMs: number;
  /** How often a host is asked in all while a transfer breaks or it is busy, nothing having come in between. */
  attempts: number;
  /** How often one that can't be reached is. */
  connectAttempts: number;
  /** The first pause; each further one is twice as long, up to the longest. Chance takes up to a half off. */
  firstPauseMs: number;
  longestPauseMs: number;
  /** All pauses for one host together; a host that asks for more is not waited for. */
  pausesMs: number;
}

export const usualPatience: Patience = {
  stallMs: 60_000,
  attempts: 6,
  connectAttempts: 3,
  firstPauseMs: 500,
  longestPauseMs: 10_000,
  pausesMs: 60_000,
};

/** Pauses between the attempts at one host. */
export class Pauses {
  private failures = 0;
  private pausedMs = 0;

  constructor(
    private readonly patience: Patience,
    private readonly host: { clock: Clock; random: Random },
  ) {}

  /** Something came: what went wrong before no longer counts. */
  reset(): void {
    this.failures = 0;
    this.pausedMs = 0;
  }

  /** The pause after this failure; undefined when it is not worth another attempt. */
  after(thrown: unknown): number | undefined {
    const retry = retryOf(thrown);
    const { attempts, connectAttempts, firstPauseMs, longestPauseMs, pausesMs } = this.patience;
    this.failures += 1;
    if (retry === 'never' || this.failures >= (retry === 'connect' ? connectAttempts : attempts))
      return undefined;
    const full = Math.min(longestPauseMs, firstPauseMs * 2 ** (this.failures - 1));
    const jittered = full * (1 - this.host.random.fraction() / 2);
    const asked = thrown instanceof PassingFailure ? (thrown.retryAfterMs ?? 0) : 0;
    const pauseMs = Math.max(jittered, asked);
    if (this.pausedMs + pauseMs > pausesMs) return undefined;
    this.pausedMs += pauseMs;
    return pauseMs;
  }

  /** Waits; rejects with the caller's reason as soon as the signal is aborted. */
  async wait(pauseMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.host.clock.sleep(pauseMs, signal);
    } catch {
      throw abortReason(signal);
    }
  }
}

/** What a pause is for, for people. */
export const pauseText = (thrown: unknown, pauseMs: number): string => {
  const why = thrown instanceof NodeletError ? thrown.message : String(thrown);
  return `${why}; again in ${(pauseMs / 1000).toFixed(1)} s`;
};
