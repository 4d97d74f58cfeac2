/**
 * Numbers of CPUs or memory nodes as the kernel lists them, `0-2,4` (cpuset(7), list format), as ranges; undefined for
 * what is no such list.
 */
export function cpuRanges(list: string): [first: number, last: number][] | undefined {
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(list)) return undefined;
  const ranges = list.split(',').map((part): [number, number] => {
    const [first = '', last = first] = part.split('-');
    return [Number(first), Number(last)];
  });
  return ranges.every(([first, last]) => first <= last) ? ranges : undefined;
}

/** The first number of a list that is not among those that there are. */
export function firstMissing(
  ranges: readonly (readonly [first: number, last: number])[],
  there: readonly number[],
): number | undefined {
  for (const [first, last] of ranges) {
    for (let number = first; number <= last; number++) if (!there.includes(number)) return number;
  }
  return undefined;
}

/** All numbers of a list; none for a text that is no list. */
export function cpusIn(list: string): number[] {
  return (cpuRanges(list.trim()) ?? []).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}
