import fs from 'node:fs';
import { addressOf } from './native-memory.js';

const inputBytes = 256 * 1024;

/** The compressed bytes, taken from a pipe by a thread that may block. */
export class ArchiveInput {
  readonly buffer = Buffer.allocUnsafeSlow(inputBytes);
  readonly address = addressOf(this.buffer);
  /** What is not consumed yet: from `start`, `bytes` of them. */
  start = 0;
  bytes = 0;
  /** All that came so far. */
  totalBytes = 0;

  constructor(private readonly fd: number) {}

  /** Waits for more, keeping what is there; false at the end. */
  fill(): boolean {
    if (this.bytes > 0) this.buffer.copyWithin(0, this.start, this.start + this.bytes);
    this.start = 0;
    const got = fs.readSync(this.fd, this.buffer, this.bytes, inputBytes - this.bytes, null);
    this.bytes += got;
    this.totalBytes += got;
    return got > 0;
  }

  /** Makes `wanted` bytes stand in a row if there are so many. */
  atLeast(wanted: number): boolean {
    while (this.bytes < wanted) if (!this.fill()) return false;
    return true;
  }

  consume(bytes: number): void {
    this.start += bytes;
    this.bytes -= bytes;
  }
}
