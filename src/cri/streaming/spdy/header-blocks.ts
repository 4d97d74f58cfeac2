import zlib from 'node:zlib';
import { headerDictionary } from './dictionary.js';
import { broken } from './frames.js';

/** Names are in lower case; of a name with several values there is the first. */
export type Headers = ReadonlyMap<string, string>;

/** A client's headers are names, numbers and an id: more than this is no client, but a compressed flood. */
const maxBlockBytes = 16 * 1024;
const maxHeaders = 64;
/** What a block ends with that was flushed, as the protocol has it: an empty one of zlib's, at the end of a byte. */
const flushed = Buffer.from('0000ffff', 'hex');
/** As far back as zlib refers to. */
const windowBytes = 32 * 1024;

/**
 * Reads the header blocks of one connection, which are one zlib stream, in their order. They are so small, and what they may
 * become is so bounded, that a thread of zlib's would take longer to be woken than the work itself: it is done at once,
 * and of the stream there is nothing but its last bytes between two blocks.
 */
export class HeaderReader {
  private window: Buffer | undefined;

  /** Throws `invalid` at what is not compressed by the protocol, or unpacks to more than any client's headers. */
  read(block: Buffer): Headers {
    // Only behind a flush does the next block begin with a byte; a client that has ended its stream has none.
    if (!block.subarray(-flushed.length).equals(flushed)) throw broken('a header block is not flushed');
    const unpacked = this.unpack(block);
    this.window = Buffer.concat([this.window ?? headerDictionary, unpacked]).subarray(-windowBytes);
    return parseHeaders(unpacked);
  }

  private unpack(block: Buffer): Buffer {
    const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength: maxBlockBytes };
    try {
      return this.window === undefined
        ? zlib.inflateSync(block, { ...options, dictionary: headerDictionary })
        : zlib.inflateRawSync(block, { ...options, dictionary: this.window });
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException;
      if (code === 'ERR_BUFFER_TOO_LARGE') throw broken(`headers of more than ${maxBlockBytes} bytes`);
      throw broken(message);
    }
  }
}

/** Pairs of length-prefixed names and values, after their count; a name's values are set apart by NUL. */
export function parseHeaders(block: Buffer): Headers {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw broken('headers are cut off');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > block.length) throw broken('headers are cut off');
    at += length;
    return block.toString('utf8', at - length, at);
  };
  const count = number();
  if (count > maxHeaders) throw broken(`${count} headers in one block`);
  const headers = new Map<string, string>();
  for (let pair = 0; pair < count; pair += 1) {
    const name = text().toLowerCase();
    const [value = ''] = text().split('\0');
    if (!headers.has(name)) headers.set(name, value);
  }
  return headers;
}

/** The head of a zlib stream that has the dictionary: its format, and the dictionary's checksum (RFC 1950). */
const streamHead = zlib.deflateSync(Buffer.alloc(0), { dictionary: headerDictionary }).subarray(0, 6);

/**
 * Writes the header blocks of one connection, one after the other; a reply to a stream needs no headers. They are a zlib
 * stream like any other, but stored as they are (RFC 1951, 3.2.4): there is nothing in them to be made smaller.
 */
export class HeaderWriter {
  private isBegun = false;

  write(headers: Record<string, string> = {}): Buffer {
    const pairs = Object.entries(headers);
    const text = Buffer.concat([number(pairs.length), ...pairs.flat().flatMap(prefixed)]);
    const head = this.isBegun ? [] : [streamHead];
    this.isBegun = true;
    return Buffer.concat([...head, stored(text), stored(Buffer.alloc(0))]);
  }
}

/** Not the last of the stream: its length, that once more with each bit turned over, and the bytes; at most 65,535 of them. */
function stored(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(bytes.length ^ 0xffff, 3);
  return Buffer.concat([head, bytes]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const prefixed = (text: string): Buffer[] => [number(Buffer.byteLength(text)), Buffer.from(text)];
