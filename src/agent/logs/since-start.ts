import { entryTimeNs, headAt } from './log-entry.js';
import type { LogFile } from './log-file.js';
import { blockBytes } from './log-file.js';

/** Read at a time while looking for an entry: mostly less than one of conmon's. */
const probeBytes = 16 * 1024;
const newline = 0x0a;

/**
 * A place in the files, oldest first, behind which the first line lies that was written at `sinceNs` or later; little
 * else lies between in a file that is not packed. Times are taken to rise.
 */
export async function sinceStart(
  files: readonly LogFile[],
  sinceNs: bigint,
): Promise<{ index: number; position: number }> {
  for (let index = files.length - 1; index >= 0; index -= 1) {
    const file = files[index];
    const timeNs = file && firstTimeNs(await file.firstBlock());
    if (file === undefined || timeNs === undefined || timeNs >= sinceNs) continue;
    return { index, position: file.packed ? 0 : await bisect(file, sinceNs) };
  }
  return { index: 0, position: 0 };
}

/** Start of an entry that is too early, and no further than a block from the first that is not. */
async function bisect(file: LogFile, sinceNs: bigint): Promise<number> {
  let early = 0;
  let late = await file.size();
  while (late - early > blockBytes) {
    const middle = Math.floor((early + late) / 2);
    const entry = await timedEntry(file, { from: middle, to: late });
    if (entry !== undefined && entry.timeNs < sinceNs) early = entry.position;
    else late = middle;
  }
  return early;
}

/** The first entry with a time that begins between two positions, the first of which lies in another entry. */
async function timedEntry(
  file: LogFile,
  { from, to }: { from: number; to: number },
): Promise<{ position: number; timeNs: bigint } | undefined> {
  let insideEntry = true;
  for (let position = from; position < to;) {
    const bytes = await file.read({ position, length: probeBytes });
    let at: number = insideEntry ? bytes.indexOf(newline) + 1 : 0;
    insideEntry = insideEntry && at === 0;
    while (!insideEntry && at < bytes.length) {
      if (position + at >= to) return undefined;
      const head = headAt(bytes, at);
      if (head === 'cut') break;
      const timeNs = head && entryTimeNs(bytes, at, head);
      if (timeNs !== undefined) return { position: position + at, timeNs };
      const end = bytes.indexOf(newline, at);
      insideEntry = end < 0;
      at = end + 1;
    }
    const passed = insideEntry ? bytes.length : at;
    // Nothing more comes: the file ends with an entry whose head is not there yet.
    if (passed === 0) return undefined;
    position += passed;
  }
  return undefined;
}

function firstTimeNs(bytes: Buffer): bigint | undefined {
  for (let at = 0; at < bytes.length;) {
    const head = headAt(bytes, at);
    if (head === 'cut') return undefined;
    const timeNs = head && entryTimeNs(bytes, at, head);
    if (timeNs !== undefined) return timeNs;
    const end = bytes.indexOf(newline, at);
    if (end < 0) return undefined;
    at = end + 1;
  }
  return undefined;
}
