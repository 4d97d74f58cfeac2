import fs from 'node:fs';
import zlib from 'node:zlib';
import { frameRawBytes, op, recipeMagic } from './recipe-format.js';

/** Text of a path, and the numbers of its piece. */
const contentMaxBytes = 3 + 8192 + 3 * 8;

/** A piece of a file in the layer's folder, which stands in the archive as it is. */
export interface Content {
  /** Relative to the folder, latin1; no symlink is on it. */
  path: string;
  offset: number;
  bytes: number;
  /** Of the whole file. */
  fileBytes: number;
}

/** Writes down, as a layer is unpacked, what its archive has that the folder doesn't. */
export class RecipeWriter {
  private readonly fd: number;
  private readonly raw = Buffer.allocUnsafeSlow(frameRawBytes);
  private used = 0;
  /** Where the literal that is being written has its length; -1 for none. */
  private literalAt = -1;
  /** Bytes of the file so far. */
  writtenBytes = 0;

  constructor(file: string) {
    this.fd = fs.openSync(file, 'wx', 0o600);
    this.append(recipeMagic);
  }

  /** Bytes of the archive that are in no file. */
  literal(bytes: Buffer): void {
    let from = 0;
    while (from < bytes.length) {
      if (this.literalAt < 0) {
        this.room(6);
        this.raw[this.used] = op.literal;
        this.literalAt = this.used + 1;
        this.raw.writeUInt32LE(0, this.literalAt);
        this.used += 5;
      }
      const took = Math.min(bytes.length - from, frameRawBytes - this.used);
      bytes.copy(this.raw, this.used, from, from + took);
      this.raw.writeUInt32LE(this.raw.readUInt32LE(this.literalAt) + took, this.literalAt);
      this.used += took;
      from += took;
      if (this.used === frameRawBytes) this.flush();
    }
  }

  content({ path, offset, bytes, fileBytes }: Content): void {
    this.path(op.content, path);
    for (const value of [offset, bytes, fileBytes]) {
      this.raw.writeDoubleLE(value, this.used);
      this.used += 8;
    }
  }

  /** What stood at a path until here, a file or a folder, is number `index` of the displaced entries. */
  displaced(path: string, index: number): void {
    this.path(op.displaced, path);
    this.raw.writeUInt32LE(index, this.used);
    this.used += 4;
  }

  /** Ends the recipe and has it written to the disk. */
  finish(): void {
    this.room(1);
    this.raw[this.used] = op.end;
    this.used += 1;
    this.flush();
    fs.fsyncSync(this.fd);
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  private path(kind: number, path: string): void {
    this.room(contentMaxBytes);
    this.literalAt = -1;
    this.raw[this.used] = kind;
    const bytes = this.raw.write(path, this.used + 3, 'latin1');
    this.raw.writeUInt16LE(bytes, this.used + 1);
    this.used += 3 + bytes;
  }

  private room(bytes: number): void {
    if (this.used + bytes > frameRawBytes) this.flush();
  }

  private flush(): void {
    const packed = zlib.deflateRawSync(this.raw.subarray(0, this.used), { level: 1 });
    const head = Buffer.alloc(8);
    head.writeUInt32LE(packed.length, 0);
    head.writeUInt32LE(this.used, 4);
    this.append(head);
    this.append(packed);
    this.used = 0;
    this.literalAt = -1;
  }

  private append(bytes: Buffer): void {
    let done = 0;
    while (done < bytes.length) done += fs.writeSync(this.fd, bytes, done);
    this.writtenBytes += bytes.length;
  }
}
