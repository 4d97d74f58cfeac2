import { damaged } from './archive-error.js';

/** Bytes of a block; a tar archive has nothing but whole blocks. */
export const blockBytes = 512;

/** One header block as it stands, before the extended headers that came ahead of it have their say. Texts are latin1: a byte a character. */
export interface RawHeader {
  name: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSec: number;
  flag: string;
  linkName: string;
  devMajor: number;
  devMinor: number;
  /** GNU's own format, in which sparse files and long names have their own ways. */
  gnu: boolean;
}

const at = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  flag: 156,
  linkName: [157, 100],
  magic: [257, 8],
  devMajor: [329, 8],
  devMinor: [337, 8],
  prefix: [345, 155],
  starPrefix: [345, 131],
  starTrailer: [508, 4],
} as const;
type Field = readonly [start: number, bytes: number];

/** Reads a header block (POSIX ustar, GNU, star, and the oldest without magic); `corrupt` where its checksum is wrong. */
export function readHeader(block: Buffer): RawHeader {
  checkSum(block);
  const magic = block.toString('latin1', at.magic[0], at.magic[0] + at.magic[1]);
  const posix = magic.startsWith('ustar\0');
  const gnu = magic === 'ustar  \0';
  const star = posix && text(block, at.starTrailer) === 'tar';
  const prefix = posix ? text(block, star ? at.starPrefix : at.prefix) : '';
  const name = text(block, at.name);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, at.mode) % 0o10000,
    uid: number(block, at.uid),
    gid: number(block, at.gid),
    size: number(block, at.size),
    mtimeSec: number(block, at.mtime),
    flag: String.fromCharCode(block[at.flag] ?? 0),
    linkName: text(block, at.linkName),
    devMajor: posix || gnu ? number(block, at.devMajor) : 0,
    devMinor: posix || gnu ? number(block, at.devMinor) : 0,
    gnu,
  };
}

function checkSum(block: Buffer): void {
  const [start, bytes] = at.checksum;
  let unsigned = 8 * 0x20;
  let negative = 0;
  for (let index = 0; index < blockBytes; index += 1) {
    if (index === start) index += bytes;
    const byte = block[index] ?? 0;
    unsigned += byte;
    if (byte > 0x7f) negative += 1;
  }
  const wanted = number(block, at.checksum);
  // Some old programs summed up signed characters.
  if (wanted !== unsigned && wanted !== unsigned - negative * 0x100) {
    throw damaged('a header of the archive has a wrong checksum');
  }
}

function text(block: Buffer, [start, bytes]: Field): string {
  let end = start;
  while (end < start + bytes && block[end] !== 0) end += 1;
  return block.toString('latin1', start, end);
}

/** Octal digits, or GNU's binary form, which begins with a byte above 127. */
export function number(block: Buffer, [start, bytes]: Field): number {
  const first = block[start] ?? 0;
  if (first >= 0x80) return binary(block, start, bytes);
  let value = 0;
  let digits = 0;
  for (let index = start; index < start + bytes; index += 1) {
    const byte = block[index] ?? 0;
    if (byte >= 0x30 && byte <= 0x37) {
      value = value * 8 + byte - 0x30;
      digits += 1;
    } else if (byte !== 0x20 && byte !== 0)
      throw damaged('a header of the archive has a field that is no number');
    else if (digits > 0) break;
  }
  return value;
}

function binary(block: Buffer, start: number, bytes: number): number {
  const isNegative = ((block[start] ?? 0) & 0x40) !== 0;
  let value = isNegative ? -1 : 0;
  for (let index = start; index < start + bytes; index += 1) {
    const byte =
      index === start ? ((block[index] ?? 0) & 0x3f) | (isNegative ? 0xc0 : 0) : (block[index] ?? 0);
    value = index === start && isNegative ? byte - 0x100 : value * 0x100 + byte;
  }
  if (!Number.isSafeInteger(value)) throw damaged('a header of the archive has a number that can not be');
  return value;
}

export function isZero(block: Buffer): boolean {
  for (let index = 0; index < blockBytes; index += 1) if (block[index] !== 0) return false;
  return true;
}
