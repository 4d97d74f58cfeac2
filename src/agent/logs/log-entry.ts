/**
 * Entries of a log file as CRI has them, `<RFC3339Nano> <stdout|stderr> <P|F[:tags]> <bytes>\n`: one that is tagged P is
 * a part of a line, and the next entry goes on with it. Source: the kubelet's design of the CRI log format.
 */

/** What is ahead of the text of an entry. Positions are those of the buffer it was read from. */
export interface EntryHead {
  /** Where the time ends, that begins where the entry does. */
  timeEnd: number;
  stream: 'stdout' | 'stderr';
  partial: boolean;
  textStart: number;
}

/** More than any head has: a time of 35, a stream of 6, and what tags there may ever be. */
export const maxHeadBytes = 256;

const space = 0x20;
const newline = 0x0a;
const colon = 0x3a;
const maxTimeBytes = 40;
const streams = { stdout: Buffer.from('stdout '), stderr: Buffer.from('stderr ') };

/**
 * The head of the entry that begins at `from`: undefined where there is none, so that the line is nobody's entry and
 * text as a whole, and `cut` when what is there of `bytes` doesn't tell yet.
 */
export function headAt(bytes: Buffer, from: number): EntryHead | 'cut' | undefined {
  const undecided = bytes.length - from < maxHeadBytes ? 'cut' : undefined;
  const noHead = (): 'cut' | undefined =>
    undecided === 'cut' && bytes.indexOf(newline, from) < 0 ? 'cut' : undefined;
  const timeEnd = spaceAfterTime(bytes, from);
  if (timeEnd === undefined) return noHead();
  const streamAt = timeEnd + 1;
  const tagAt = streamAt + streams.stdout.length;
  const stream = startsWith(bytes, streamAt, streams.stdout)
    ? 'stdout'
    : startsWith(bytes, streamAt, streams.stderr)
      ? 'stderr'
      : undefined;
  if (stream === undefined) return noHead();
  const tag = bytes[tagAt];
  if (tag !== 0x50 && tag !== 0x46) return noHead();
  let textStart = tagAt + 1;
  if (bytes[textStart] === colon) {
    const limit = Math.min(bytes.length, from + maxHeadBytes);
    while (textStart < limit && bytes[textStart] !== space && bytes[textStart] !== newline) textStart += 1;
  }
  if (bytes[textStart] === space) textStart += 1;
  else if (bytes[textStart] !== newline) return noHead();
  return { timeEnd, stream, partial: tag === 0x50, textStart };
}

/** Whether what is left at the end of a file is an entry whose writing was cut short before its text. */
export function isTornHead(bytes: Buffer): boolean {
  return headAt(bytes, 0) === 'cut' && /^\d{1,4}(-|$)/.test(bytes.toString('latin1', 0, 5));
}

/** Nanoseconds since the epoch of the entry's time; undefined where its figures are no time. */
export function entryTimeNs(bytes: Buffer, from: number, head: EntryHead): bigint | undefined {
  return rfc3339Ns(bytes.toString('latin1', from, head.timeEnd));
}

/** Nanoseconds since the epoch of a time as RFC 3339 writes it; undefined for any other text. */
export function rfc3339Ns(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/i.exec(text);
  const [, seconds = '', fraction = '', zone = ''] = match ?? [];
  const ms = Date.parse(`${seconds}${zone}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** Where the time that begins at `from` ends, at a space; undefined where it is none or not whole. */
function spaceAfterTime(bytes: Buffer, from: number): number | undefined {
  const isTime =
    bytes[from + 4] === 0x2d && bytes[from + 7] === 0x2d && bytes[from + 10] === 0x54 && isDigit(bytes[from]);
  if (!isTime) return undefined;
  const limit = Math.min(bytes.length, from + maxTimeBytes);
  for (let at = from + 19; at < limit; at += 1) {
    if (bytes[at] === space) return at;
    if (bytes[at] === newline) return undefined;
  }
  return undefined;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

function startsWith(bytes: Buffer, at: number, word: Buffer): boolean {
  for (let index = 0; index < word.length; index += 1) if (bytes[at + index] !== word[index]) return false;
  return true;
}
