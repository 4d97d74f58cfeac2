import type { Clock } from '../ports/clock.js';

/** Waits for the work to settle, but no longer than `timeoutMs`; leaves no timer behind. */
export async function settledWithin(
  work: Promise<unknown>,
  timeoutMs: number,
  clock: Pick<Clock, 'sleep'>,
): Promise<void> {
  const patience = new AbortController();
  await Promise.race([work, clock.sleep(timeoutMs, patience.signal).catch(() => undefined)]);
  patience.abort();
}
