import type { LogFile } from './log-file.js';
import type { LogOptions } from './log-options.js';
import { sinceStart } from './since-start.js';
import { endOfEntries } from './entries-backwards.js';
import { TailSearch } from './tail-search.js';

/** A place in the files of a run: the index of the file and a position in its text. */
export interface LogStart {
  index: number;
  position: number;
}

/**
 * Where in the files, oldest first, the reading of what is wanted has to begin. Lines that are too early may still follow
 * (`LogText` leaves them out), lines that are wanted never lie before it.
 */
export async function logStart(
  files: readonly LogFile[],
  { tailLines, sinceNs }: Pick<LogOptions, 'tailLines' | 'sinceNs'>,
): Promise<LogStart> {
  const byTail = tailLines === undefined ? undefined : await tailStart(files, tailLines);
  const bySince = sinceNs === undefined ? undefined : await sinceStart(files, sinceNs);
  if (byTail === undefined || bySince === undefined) return byTail ?? bySince ?? { index: 0, position: 0 };
  const sinceIsLater =
    bySince.index === byTail.index ? bySince.position > byTail.position : bySince.index > byTail.index;
  return sinceIsLater ? bySince : byTail;
}

async function tailStart(files: readonly LogFile[], lines: number): Promise<LogStart> {
  const newest = files.at(-1);
  if (lines === 0 && newest !== undefined)
    return { index: files.length - 1, position: newest.packed ? Infinity : await endOfEntries(newest) };
  const search = new TailSearch(lines);
  for (let index = files.length - 1; index >= 0; index -= 1) {
    const file = files[index];
    const found = file && (await search.lookThrough(file));
    if (found === 'behind') return { index: index + 1, position: 0 };
    if (found !== undefined) return { index, position: found };
  }
  return { index: 0, position: 0 };
}
