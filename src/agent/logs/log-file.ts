import { Readable, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Log } from '../../base/call-context.js';
import type { OpenFile } from '../../ports/file-reads.js';

/** Of a file, read or unpacked at once. */
export const blockBytes = 64 * 1024;

/** Which of a run's files one is. */
export interface LogFileName {
  name: string;
  packed: boolean;
  /** When it was rotated (log-files.ts); undefined of the one at the log's path. */
  stamp: string | undefined;
  /** Stamp of the newest file that had been rotated when it was opened: its own will be greater. */
  after: string;
}

/** An open file of a run. Positions are those of its text, unpacked. */
export class LogFile {
  readonly name: string;
  readonly packed: boolean;
  readonly after: string;
  /** Set once it is known. */
  stamp: string | undefined;

  constructor(
    private readonly file: OpenFile,
    { name, packed, stamp, after }: LogFileName,
    private readonly log: Log,
  ) {
    this.name = name;
    this.packed = packed;
    this.stamp = stamp;
    this.after = after;
  }

  get identity(): string {
    return this.file.identity;
  }

  /** Bytes that a file which is not packed has now. */
  size(): Promise<number> {
    return this.file.size();
  }

  /** Up to a block of a file that is not packed. */
  read(range: { position: number; length: number }): Promise<Buffer> {
    return this.file.read(range);
  }

  /** From `position` to where it ends now; what is packed and damaged ends there, and the daemon's log tells of it. */
  async *blocks(position: number): AsyncGenerator<Buffer, void> {
    if (!this.packed) return yield* this.storedBlocks(position);
    let skip = position;
    for await (const block of this.unpacked()) {
      if (skip < block.length) yield block.subarray(skip);
      skip = Math.max(0, skip - block.length);
    }
  }

  /** Its first block. */
  async firstBlock(): Promise<Buffer> {
    if (!this.packed) return this.read({ position: 0, length: blockBytes });
    for await (const block of this.unpacked()) return block;
    return Buffer.alloc(0);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async *storedBlocks(start: number): AsyncGenerator<Buffer, void> {
    for (let position = start; ;) {
      const block = await this.file.read({ position, length: blockBytes });
      if (block.length === 0) return;
      position += block.length;
      yield block;
    }
  }

  private async *unpacked(): AsyncGenerator<Buffer, void> {
    const gunzip = createGunzip({ chunkSize: blockBytes });
    // What goes wrong on the way comes out of the loop below.
    pipeline(Readable.from(this.storedBlocks(0)), gunzip, () => undefined);
    try {
      for await (const block of gunzip) yield block as Buffer;
    } catch (thrown) {
      this.log.warn({ file: this.name, err: thrown }, 'a rotated log is damaged: the rest of it is left out');
    }
  }
}
