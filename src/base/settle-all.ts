/**
 * Waits until all have settled, so that nothing is still at work when a failure is dealt with; then gives the
 * results in order, or throws the first failure.
 */
export async function settleAll<Results extends readonly unknown[]>(works: {
  [Index in keyof Results]: Promise<Results[Index]>;
}): Promise<Results> {
  await Promise.allSettled(works);
  return Promise.all(works);
}
