import { createHash } from 'node:crypto';
import type { LayerLimits } from '../../ports/layer-archives.js';
import { damaged, overLimit } from './archive-error.js';
import type { ArchiveInput } from './archive-input.js';
import type { Decompressor } from './decompressor.js';
import { addressOf } from './native-memory.js';
import { blockBytes } from './tar-header.js';

/** A multiple of a block: no header is ever split. */
const windowBytes = 256 * 1024;
/** Small archives may well be mostly zeros. */
const ratioFromBytes = 64 * 1024 * 1024;

export interface BlockSourceParts {
  input: ArchiveInput;
  decompressor: Decompressor;
  limits: LayerLimits;
  /** Throws when nobody wants the work any more. */
  checkWanted: () => void;
}

/** The uncompressed archive, hashed as it passes through a window that shows a part of it. */
export class BlockSource {
  readonly window = Buffer.allocUnsafeSlow(windowBytes);
  readonly address = addressOf(this.window);
  private readonly hash = createHash('sha256');
  private position = 0;
  private end = 0;
  private totalBytes = 0;

  constructor(private readonly parts: BlockSourceParts) {}

  /** The next block, good until the next call; undefined at the archive's end. `damaged` where it ends within a block. */
  block(): Buffer | undefined {
    if (this.position === this.end && !this.fill()) return undefined;
    if (this.end - this.position < blockBytes) throw damaged('the archive breaks off');
    this.position += blockBytes;
    return this.window.subarray(this.position - blockBytes, this.position);
  }

  /** As many of the next `wanted` bytes as the window shows, at least one; good until the next call. */
  some(wanted: number): { start: number; bytes: number } {
    if (this.position === this.end && !this.fill()) throw damaged('the archive breaks off');
    const bytes = Math.min(wanted, this.end - this.position);
    const start = this.position;
    this.position += bytes;
    return { start, bytes };
  }

  /** Likewise, of whatever is left, in blocks or not; undefined at the end. */
  rest(): Buffer | undefined {
    if (this.position === this.end && !this.fill()) return undefined;
    const piece = this.window.subarray(this.position, this.end);
    this.position = this.end;
    return piece;
  }

  /** `sha256:…` of all that has passed. */
  digest(): string {
    return `sha256:${this.hash.digest('hex')}`;
  }

  private fill(): boolean {
    const { decompressor, checkWanted } = this.parts;
    checkWanted();
    this.position = 0;
    this.end = 0;
    while (this.end < windowBytes) {
      const made = decompressor.next({
        buffer: this.window,
        start: this.end,
        address: this.address + this.end,
        bytes: windowBytes - this.end,
      });
      if (made === 0) break;
      this.end += made;
    }
    checkWanted();
    this.hash.update(this.window.subarray(0, this.end));
    this.totalBytes += this.end;
    this.checkSize();
    return this.end > 0;
  }

  private checkSize(): void {
    const { limits, input } = this.parts;
    if (this.totalBytes > limits.maxUnpackedBytes) {
      throw overLimit('maxUnpackedBytes', `unpacks to more than ${limits.maxUnpackedBytes} bytes`);
    }
    if (this.totalBytes > ratioFromBytes && this.totalBytes > input.totalBytes * limits.maxRatio) {
      throw overLimit('maxRatio', `unpacks to more than ${limits.maxRatio} times its size`);
    }
  }
}
