/** Calls each in turn, the first of one round being the last of the next, so that what else the machine does meets all alike. */
export async function inTurns<T>(
  round: number,
  all: readonly T[],
  work: (one: T) => Promise<void>,
): Promise<void> {
  for (const one of round % 2 === 0 ? all : all.toReversed()) await work(one);
}

export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('every runtime has a place in every list');
  return value;
}
