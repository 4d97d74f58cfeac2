import zlib from 'node:zlib';
import { headerDictionary } from './dictionary.js';
import { broken } from './frames.js';

/** Names are in lower case; of a name with several values there is the first. */
export type Headers = ReadonlyMap<string, string>;

/** A client's headers are names, numbers and an id: more than this is no client, but a compressed flood. */
const maxBlockBytes = 16 * 1024;
const maxHeaders = 64;
/** Small windows, a tenth of the usual memory: what is sent from here are no headers, or a few. */
const deflateOptions = { dictionary: headerDictionary, windowBits: 11, memLevel: 1 };

/** Reads the header blocks of one connection, which are one zlib stream: each is handed in, in order, and awaited. */
export class HeaderReader {
  private readonly inflate = zlib.createInflate({
    dictionary: headerDictionary,
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });
  private pieces: Buffer[] = [];
  private bytes = 0;
  private fail: (error: Error) => void = () => undefined;

  constructor() {
    this.inflate.on('data', (piece: Buffer) => {
      this.bytes += piece.length;
      if (this.bytes <= maxBlockBytes) this.pieces.push(piece);
      else this.inflate.destroy();
    });
    this.inflate.on('error', (error) => this.fail(error));
    // A client that ends its zlib stream can send no more headers: zlib would leave the next write unanswered.
    this.inflate.on('end', () => this.fail(new Error('the compression of headers has ended')));
    this.inflate.on('close', () => this.fail(new Error('it has gone')));
  }

  async read(block: Buffer): Promise<Headers> {
    this.pieces = [];
    this.bytes = 0;
    await new Promise<void>((resolve, reject) => {
      // An end by too much output resolves, and is told below.
      this.fail = (error) => (this.bytes > maxBlockBytes ? resolve() : reject(broken(error.message)));
      this.inflate.write(block, (error) => {
        if (error) this.fail(error);
        else resolve();
      });
    });
    if (this.bytes > maxBlockBytes) throw broken(`headers of more than ${maxBlockBytes} bytes`);
    return parseHeaders(Buffer.concat(this.pieces));
  }

  close(): void {
    this.inflate.destroy();
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

/** Writes the header blocks of one connection, one after the other; a reply to a stream needs no headers. */
export class HeaderWriter {
  private readonly deflate = zlib.createDeflate(deflateOptions);

  async write(headers: Record<string, string> = {}): Promise<Buffer> {
    const pairs = Object.entries(headers);
    this.deflate.write(Buffer.concat([number(pairs.length), ...pairs.flat().flatMap(prefixed)]));
    await new Promise<void>((resolve) => this.deflate.flush(zlib.constants.Z_SYNC_FLUSH, () => resolve()));
    const pieces: Buffer[] = [];
    for (let piece = this.read(); piece !== null; piece = this.read()) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  close(): void {
    this.deflate.destroy();
  }

  private read(): Buffer | null {
    return this.deflate.read() as Buffer | null;
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const prefixed = (text: string): Buffer[] => [number(Buffer.byteLength(text)), Buffer.from(text)];
