const firstBytes = 64 * 1024;
/** A buffer that has grown beyond this is given away instead of copied from, so that one large answer does not stay in memory. */
const keptBytes = 256 * 1024;
const shortText = 48;
const lowBits = 0x7f;
const more = 0x80;
const sevenBits = 128;
const exactBelow = Number.MAX_SAFE_INTEGER;

/** Writes the wire format of protocol buffers (protobuf.dev, "Encoding") into a buffer that grows and is used again. */
export class ByteWriter {
  private bytes = Buffer.allocUnsafe(firstBytes);
  private at = 0;

  /** Where the next byte goes. */
  get position(): number {
    return this.at;
  }

  /** Base 128 varint of a whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= sevenBits) {
      this.bytes[this.at++] = (rest & lowBits) | more;
      rest = Math.floor(rest / sevenBits);
    }
    this.bytes[this.at++] = rest;
  }

  /** Varint of a decimal number of 64 bits, negative ones as their two's complement. */
  varint64(decimal: string): void {
    const value = Number(decimal);
    if (value >= 0 && value <= exactBelow) {
      this.varint(value);
      return;
    }
    this.reserve(10);
    let rest = BigInt.asUintN(64, BigInt(decimal));
    while (rest >= 128n) {
      this.bytes[this.at++] = Number(rest & 0x7fn) | more;
      rest >>= 7n;
    }
    this.bytes[this.at++] = Number(rest);
  }

  double(value: number): void {
    this.reserve(8);
    this.at = this.bytes.writeDoubleLE(value, this.at);
  }

  /** Length and UTF-8 of a text. */
  text(value: string): void {
    if (value.length <= shortText && this.plainText(value)) return;
    const start = this.open();
    // At most three bytes for each UTF-16 unit.
    this.reserve(value.length * 3);
    this.at += this.bytes.write(value, this.at, 'utf8');
    this.close(start);
  }

  /** Length and content. */
  block(content: Uint8Array): void {
    this.varint(content.length);
    this.reserve(content.length);
    this.bytes.set(content, this.at);
    this.at += content.length;
  }

  /** Begins something that its length precedes; what it gives is for `close`. */
  open(): number {
    this.reserve(1);
    return this.at++;
  }

  /** Ends what `open` began, and makes room where the length needs more than the one byte that was left for it. */
  close(start: number): void {
    const length = this.at - start - 1;
    if (length < sevenBits) {
      this.bytes[start] = length;
      return;
    }
    let lengthBytes = 1;
    for (let rest = length; rest >= sevenBits; rest = Math.floor(rest / sevenBits)) lengthBytes++;
    this.reserve(lengthBytes);
    this.bytes.copyWithin(start + lengthBytes, start + 1, this.at);
    this.at = start;
    this.varint(length);
    this.at += length;
  }

  /** A copy of what was written since `start`, the length of an `open` there left out. */
  copyFrom(start: number): Buffer {
    return Buffer.from(this.bytes.subarray(start, this.at));
  }

  /** All that was written; the writer is empty again. */
  finish(): Buffer {
    const written = this.bytes.subarray(0, this.at);
    this.at = 0;
    if (written.length <= keptBytes) return Buffer.from(written);
    this.bytes = Buffer.allocUnsafe(firstBytes);
    return written;
  }

  /** Forgets what was written. */
  reset(): void {
    this.at = 0;
  }

  /** Names and ids are short and of ASCII alone: byte by byte they take a fraction of a call into Node. */
  private plainText(value: string): boolean {
    this.reserve(value.length + 1);
    let at = this.at + 1;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= more) return false;
      this.bytes[at++] = unit;
    }
    this.bytes[this.at] = value.length;
    this.at = at;
    return true;
  }

  private reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
