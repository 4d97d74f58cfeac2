import { NodeletError } from '../../base/errors.js';
import { decodeHuffman } from './huffman.js';

/** One header field. Names and values are octets, held as latin-1 text. */
export interface HeaderField {
  name: string;
  value: string;
  /** Sent as "never indexed": whoever forwards it must keep it out of every table (RFC 7541 section 7.1.3). */
  sensitive: boolean;
}

/** What Node's server lets the client's encoder use: the default of SETTINGS_HEADER_TABLE_SIZE, which it never changes. */
const tableMaxBytes = 4096;
/** Of all fields of one block, each counted as in RFC 7541 section 4.1; nghttp2 refuses more, too. */
const fieldsMaxBytes = 64 * 1024;
const entryOverheadBytes = 32;

/** RFC 7541 appendix A, entries 1 to 61. */
const staticTable: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((code) => [':status', code] as const),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow'],
    ...['authorization', 'cache-control', 'content-disposition', 'content-encoding', 'content-language'],
    ...['content-length', 'content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag'],
    ...['expect', 'expires', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range'],
    ...['if-unmodified-since', 'last-modified', 'link', 'location', 'max-forwards', 'proxy-authenticate'],
    ...['proxy-authorization', 'range', 'referer', 'refresh', 'retry-after', 'server', 'set-cookie'],
    ...['strict-transport-security', 'transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'],
  ].map((name) => [name, ''] as const),
];

const malformed = (why: string): NodeletError => new NodeletError('invalid', `a header block ${why}`);
const sizeOf = (name: string, value: string): number => name.length + value.length + entryOverheadBytes;

/** Reads one connection's header blocks, RFC 7541; the blocks must come in order and none may be left out. */
export class HpackDecoder {
  /** Newest first. */
  private readonly table: (readonly [name: string, value: string])[] = [];
  private tableBytes = 0;
  private tableLimitBytes = tableMaxBytes;

  /** The fields of a whole block, in order; `invalid` when it is malformed or too large, after which the connection is lost. */
  decode(block: Buffer): HeaderField[] {
    const input = new BlockInput(block);
    const fields: HeaderField[] = [];
    let bytes = 0;
    while (!input.atEnd) {
      const first = input.peek();
      if ((first & 0xe0) === 0x20) {
        if (fields.length > 0) throw malformed('changes the table size after a field');
        this.resize(input.integer(5));
        continue;
      }
      const field = this.field(input, first);
      bytes += sizeOf(field.name, field.value);
      if (bytes > fieldsMaxBytes) throw malformed(`has more than ${fieldsMaxBytes} bytes of fields`);
      fields.push(field);
    }
    return fields;
  }

  private field(input: BlockInput, first: number): HeaderField {
    if ((first & 0x80) !== 0) {
      const [name, value] = this.entry(input.integer(7));
      return { name, value, sensitive: false };
    }
    const indexed = (first & 0x40) !== 0;
    const index = input.integer(indexed ? 6 : 4);
    const name = index === 0 ? input.text() : this.entry(index)[0];
    const value = input.text();
    if (indexed) this.add(name, value);
    return { name, value, sensitive: !indexed && (first & 0x10) !== 0 };
  }

  private entry(index: number): readonly [name: string, value: string] {
    const entry =
      index <= staticTable.length ? staticTable[index - 1] : this.table[index - staticTable.length - 1];
    if (entry === undefined) throw malformed(`names entry ${index}, which is in no table`);
    return entry;
  }

  private add(name: string, value: string): void {
    this.table.unshift([name, value]);
    this.tableBytes += sizeOf(name, value);
    this.evict();
  }

  private resize(limitBytes: number): void {
    if (limitBytes > tableMaxBytes) throw malformed(`wants a table of ${limitBytes} bytes`);
    this.tableLimitBytes = limitBytes;
    this.evict();
  }

  private evict(): void {
    while (this.tableBytes > this.tableLimitBytes) {
      const [name, value] = this.table.pop() ?? ['', ''];
      this.tableBytes -= sizeOf(name, value);
    }
  }
}

/** The primitives of RFC 7541 section 5, read from a block. */
class BlockInput {
  private at = 0;

  constructor(private readonly block: Buffer) {}

  get atEnd(): boolean {
    return this.at >= this.block.length;
  }

  peek(): number {
    const byte = this.block[this.at];
    if (byte === undefined) throw malformed('is cut short');
    return byte;
  }

  integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.next() & mask;
    if (value < mask) return value;
    // Four more bytes hold 28 bits: no size or index in a block is anywhere near that.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.next();
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw malformed('has a number out of range');
  }

  text(): string {
    const coded = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    const octets = this.block.subarray(this.at, this.at + length);
    if (octets.length < length) throw malformed('is cut short');
    this.at += length;
    return (coded ? decodeHuffman(octets) : octets).toString('latin1');
  }

  private next(): number {
    const byte = this.peek();
    this.at += 1;
    return byte;
  }
}

/** A block of literals only: it uses no table, so the reader's table stays as it was. */
export function encodeLiterals(fields: readonly HeaderField[]): Buffer {
  const parts = fields.flatMap(({ name, value, sensitive }) => [
    Buffer.of(sensitive ? 0x10 : 0),
    ...text(name),
    ...text(value),
  ]);
  return Buffer.concat(parts);
}

function text(value: string): Buffer[] {
  const octets = Buffer.from(value, 'latin1');
  return [lengthPrefix(octets.length), octets];
}

function lengthPrefix(length: number): Buffer {
  if (length < 0x7f) return Buffer.of(length);
  const bytes = [0x7f];
  let rest = length - 0x7f;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
