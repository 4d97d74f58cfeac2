import type { Clock } from '../../ports/clock.js';

/** How long such work may keep the event loop from requests. */
const turnMs = 0.5;

/** Does the work for every item, a few at a time, and lets requests through in between; ends early when it is no longer wanted. */
export async function inTurns<T>(
  clock: Pick<Clock, 'monotonicMs' | 'sleep'>,
  { items, wanted = () => true }: { items: readonly T[]; wanted?: () => boolean },
  work: (item: T) => void,
): Promise<void> {
  let endMs = clock.monotonicMs() + turnMs;
  for (const item of items) {
    if (!wanted()) return;
    work(item);
    if (clock.monotonicMs() < endMs) continue;
    await clock.sleep(0);
    endMs = clock.monotonicMs() + turnMs;
  }
}
