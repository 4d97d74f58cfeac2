import { headAt, isTornHead, maxHeadBytes } from './log-entry.js';
import type { LogFile } from './log-file.js';
import { blockBytes } from './log-file.js';

export interface PlacedEntry {
  /** Where in the file it begins. */
  position: number;
  /** Its newline is there. */
  whole: boolean;
  /** It is so short that not even its head is there. */
  torn: boolean;
  /** It is whole, and the line ends with it. */
  endsLine: boolean;
}

const newline = 0x0a;

/** Shows `visit` the entries of a file that is not packed, from the last to the first, until it answers true. Reads block by block. */
export async function visitBackwards(file: LogFile, visit: (entry: PlacedEntry) => boolean): Promise<void> {
  const size = await file.size();
  /** What begins behind the block: the head of the block's last entry may go on there. */
  let behind: Buffer = Buffer.alloc(0);
  let isLast = true;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - blockBytes);
    const block = await file.read({ position: start, length: end - start });
    const bytes = Buffer.concat([block, behind]);
    for (let before = block.length; before >= 0;) {
      // An entry begins behind a newline, and at the beginning of the file.
      const newlineAt = before === 0 ? -1 : bytes.lastIndexOf(newline, before - 1);
      if (newlineAt < 0 && start > 0) break;
      const position = start + newlineAt + 1;
      if (position < size) {
        const whole = !isLast || bytes.indexOf(newline, newlineAt + 1) >= 0;
        if (visit(placedEntry(bytes.subarray(newlineAt + 1), { position, whole }))) return;
      }
      // The first newline from the end that is the file's last byte ends the last entry: none is unfinished then.
      isLast = false;
      before = newlineAt < 0 ? -1 : newlineAt;
    }
    behind = bytes.subarray(0, maxHeadBytes);
    end = start;
  }
}

/** Where the last entry that is whole ends. */
export async function endOfEntries(file: LogFile): Promise<number> {
  let end = await file.size();
  await visitBackwards(file, ({ position, whole }) => {
    if (!whole) end = position;
    return true;
  });
  return end;
}

function placedEntry(bytes: Buffer, { position, whole }: { position: number; whole: boolean }): PlacedEntry {
  const head = headAt(bytes, 0);
  const partial = head !== undefined && head !== 'cut' && head.partial;
  return { position, whole, torn: !whole && isTornHead(bytes), endsLine: whole && !partial };
}
