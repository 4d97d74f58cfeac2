import type { ArchiveInput } from './archive-input.js';
import { damaged, unsupported } from './archive-error.js';
import type { Codec, CodecSpan } from './codec.js';
import { isalCodec } from './isal-codec.js';
import { zlibCodec } from './zlib-codec.js';
import { zstdCodec } from './zstd-codec.js';

/** Makes the next bytes of the archive; 0 at its end. */
export interface Decompressor {
  next(to: CodecSpan & { buffer: Buffer; start: number }): number;
  close(): void;
}

const magicBytes = 6;
const isGzip = (start: Buffer): boolean => start[0] === 0x1f && start[1] === 0x8b;
/** A frame, or one to be skipped, whose first byte has sixteen forms. */
const isZstd = (start: Buffer): boolean =>
  start.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])) ||
  (((start[0] ?? 0) & 0xf0) === 0x50 && start.subarray(1, 4).equals(Buffer.from([0x2a, 0x4d, 0x18])));
const isXz = (start: Buffer): boolean => start.equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]));
const isBzip2 = (start: Buffer): boolean => start.toString('latin1', 0, 3) === 'BZh';

/** Chooses by how the bytes begin, since registries don't always tell the truth in media types. */
export function decompressorFor(input: ArchiveInput): Decompressor {
  input.atLeast(magicBytes);
  const start = input.buffer.subarray(0, Math.min(magicBytes, input.bytes));
  if (isGzip(start)) {
    return new Members(
      input,
      needed(isalCodec() ?? zlibCodec(), { what: 'gzip', package: 'zlib1g' }),
      isGzip,
    );
  }
  if (isZstd(start)) {
    return new Members(input, needed(zstdCodec(), { what: 'zstd', package: 'libzstd1' }), isZstd);
  }
  if (isXz(start) || isBzip2(start)) {
    throw unsupported(
      `it is compressed with ${isXz(start) ? 'xz' : 'bzip2'}`,
      'push the image with gzip or zstd layers',
    );
  }
  return new Plain(input);
}

function needed(codec: Codec | undefined, lack: { what: string; package: string }): Codec {
  if (codec !== undefined) return codec;
  throw unsupported(
    `this machine has no library for ${lack.what}`,
    `install the package ${lack.package}, or what your distribution calls it`,
  );
}

class Plain implements Decompressor {
  constructor(private readonly input: ArchiveInput) {}

  next({ buffer, start, bytes }: CodecSpan & { buffer: Buffer; start: number }): number {
    const { input } = this;
    if (input.bytes === 0 && !input.fill()) return 0;
    const taken = Math.min(bytes, input.bytes);
    input.buffer.copy(buffer, start, input.start, input.start + taken);
    input.consume(taken);
    return taken;
  }

  close(): void {
    // Nothing is held.
  }
}

/** Members of gzip, or frames of zstd, one after the other. What follows the last one and is none is dropped, as gzip(1) does. */
class Members implements Decompressor {
  private isWithin = true;
  private isOver = false;

  constructor(
    private readonly input: ArchiveInput,
    private readonly codec: Codec,
    private readonly isMember: (start: Buffer) => boolean,
  ) {}

  next(to: CodecSpan): number {
    let produced = 0;
    while (produced < to.bytes && !this.isOver) {
      if (!this.isWithin) this.beginMember();
      else produced += this.step({ address: to.address + produced, bytes: to.bytes - produced });
    }
    return produced;
  }

  close(): void {
    this.codec.close();
  }

  private step(to: CodecSpan): number {
    const { input, codec } = this;
    const from = { address: input.address + input.start, bytes: input.bytes };
    const { consumedBytes, producedBytes, isMemberEnd } = codec.step(from, to);
    input.consume(consumedBytes);
    if (isMemberEnd) this.isWithin = false;
    else if (producedBytes < to.bytes && input.bytes === 0 && !input.fill()) {
      throw damaged('its compression breaks off');
    } else if (producedBytes === 0 && consumedBytes === 0 && from.bytes > 0) {
      throw damaged('its compression leads nowhere');
    }
    return producedBytes;
  }

  private beginMember(): void {
    const { input } = this;
    const isThere = input.atLeast(4);
    if (isThere && this.isMember(input.buffer.subarray(input.start, input.start + 4))) {
      this.codec.reset();
      this.isWithin = true;
      return;
    }
    this.isOver = true;
    do input.consume(input.bytes);
    while (input.fill());
  }
}
