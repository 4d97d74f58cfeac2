/** Soonest time between two looks at a log, however fast it grows. */
export const soonestMs = 100;
/** When a new log is looked at for the first time: nothing is known of its pace yet. */
export const firstLookMs = 500;

/**
 * Milliseconds until a log wants a look again: when it will have reached its size if it grows on as it has between the last two
 * looks, and the configured period at the latest.
 */
export function nextLookMs(
  growth: { sizeBytes: number; grownBytes: number; tookMs: number },
  { maxSizeBytes, checkPeriodMs }: { maxSizeBytes: number; checkPeriodMs: number },
): number {
  const { sizeBytes, grownBytes, tookMs } = growth;
  const untilFullMs =
    grownBytes > 0 ? ((maxSizeBytes - sizeBytes) * Math.max(tookMs, 1)) / grownBytes : Infinity;
  return Math.min(Math.max(untilFullMs, soonestMs), checkPeriodMs);
}
