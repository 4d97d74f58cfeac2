import { damaged } from './archive-error.js';
import { blockBytes, number } from './tar-header.js';

/** A piece of a sparse file that is not a hole. */
export interface SparseSpan {
  offset: number;
  bytes: number;
}

/** Far more than any file has that was made by use; a map is held in memory. */
const spansMax = 100_000;
const numberBytes = 12;
/** Old GNU form: the header's own entries, whether more follow, and the file's true size. */
const head = { start: 386, entries: 4, more: 482, realSize: 483 };
const extension = { entries: 21, more: 504 };

/** Takes a list of offset, bytes, offset, bytes... `damaged` unless the pieces lie in order within `realBytes` and sum up to what is stored. */
export function sparseMapOf(
  numbers: readonly number[],
  { realBytes, storedBytes }: { realBytes: number; storedBytes: number },
): SparseSpan[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * spansMax)
    throw damaged("a sparse file's map is malformed");
  const spans: SparseSpan[] = [];
  let end = 0;
  let sum = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const [offset = 0, bytes = 0] = [numbers[index], numbers[index + 1]];
    if (offset < end || offset + bytes > realBytes) throw damaged("a sparse file's map contradicts itself");
    end = offset + bytes;
    sum += bytes;
    spans.push({ offset, bytes });
  }
  if (sum !== storedBytes) throw damaged("a sparse file's map contradicts its size");
  return spans;
}

/** The old GNU form: entries in the header, then in as many further blocks as say that more follow. */
export function readOldGnuMap(
  header: Buffer,
  nextBlock: () => Buffer,
): { numbers: number[]; realBytes: number } {
  const numbers: number[] = [];
  const realBytes = number(header, [head.realSize, numberBytes]);
  take(header, head.start, head.entries, numbers);
  let isMore = header[head.more] !== 0;
  while (isMore) {
    const block = nextBlock();
    take(block, 0, extension.entries, numbers);
    if (numbers.length > 2 * spansMax) throw damaged("a sparse file's map is too long");
    isMore = block[extension.more] !== 0;
  }
  return { numbers, realBytes };
}

function take(block: Buffer, start: number, entries: number, numbers: number[]): void {
  for (let index = 0; index < entries; index += 1) {
    const at = start + index * 2 * numberBytes;
    if (block[at] === 0) return;
    numbers.push(number(block, [at, numberBytes]), number(block, [at + numberBytes, numberBytes]));
  }
}

/** Form 1.0: decimal lines at the beginning of the file's data, filled up to a block. */
export function readDecimalMap(nextBlock: () => Buffer): { numbers: number[]; blocks: number } {
  const numbers: number[] = [];
  let wanted: number | undefined;
  let digits = '';
  let blocks = 0;
  while (wanted === undefined || numbers.length < wanted) {
    const text = digits + nextBlock().toString('latin1', 0, blockBytes);
    blocks += 1;
    const lines = text.split('\n');
    digits = lines.pop() ?? '';
    for (const line of lines) {
      if (wanted !== undefined && numbers.length === wanted) break;
      if (!/^\d{1,16}$/.test(line)) throw damaged("a sparse file's map is malformed");
      if (wanted === undefined) wanted = 2 * Number(line);
      else numbers.push(Number(line));
    }
    if (digits.length > blockBytes || (wanted ?? 0) > 2 * spansMax) {
      throw damaged("a sparse file's map is malformed");
    }
  }
  return { numbers, blocks };
}
