import fs from 'node:fs';
import zlib from 'node:zlib';
import { NodeletError } from '../../base/errors.js';
import { frameRawBytes, op, recipeMagic } from './recipe-format.js';
import type { Content } from './recipe-writer.js';

export type RecipeStep =
  | { kind: 'literal'; bytes: Buffer }
  | ({ kind: 'content' } & Content)
  | { kind: 'displaced'; path: string; index: number };

/** The steps of a recipe in order; a literal is good until the next step. `corrupt` where the recipe is damaged. */
export function* readRecipe(file: string): Generator<RecipeStep> {
  const fd = fs.openSync(file, 'r');
  try {
    if (!readExactly(fd, recipeMagic.length).equals(recipeMagic)) throw broken('is none of this version');
    for (;;) {
      const head = readExactly(fd, 8);
      const [packedBytes, rawBytes] = [head.readUInt32LE(0), head.readUInt32LE(4)];
      if (packedBytes > 2 * frameRawBytes || rawBytes > frameRawBytes) throw broken('is damaged');
      const isEnd = yield* stepsOf(unpacked(readExactly(fd, packedBytes), rawBytes));
      if (isEnd) return;
    }
  } finally {
    fs.closeSync(fd);
  }
}

function* stepsOf(raw: Buffer): Generator<RecipeStep, boolean> {
  let at = 0;
  try {
    while (at < raw.length) {
      const kind = raw.readUInt8(at);
      if (kind === op.end) return true;
      if (kind === op.literal) {
        const bytes = raw.readUInt32LE(at + 1);
        if (bytes > raw.length - at - 5) throw broken('is damaged');
        yield { kind: 'literal', bytes: raw.subarray(at + 5, at + 5 + bytes) };
        at += 5 + bytes;
        continue;
      }
      const pathEnd = at + 3 + raw.readUInt16LE(at + 1);
      const path = raw.toString('latin1', at + 3, pathEnd);
      if (kind === op.content) {
        const [offset, bytes, fileBytes] = [0, 8, 16].map((more) => raw.readDoubleLE(pathEnd + more));
        yield { kind: 'content', path, offset: offset ?? 0, bytes: bytes ?? 0, fileBytes: fileBytes ?? 0 };
        at = pathEnd + 24;
      } else if (kind === op.displaced) {
        yield { kind: 'displaced', path, index: raw.readUInt32LE(pathEnd) };
        at = pathEnd + 4;
      } else throw broken('is damaged');
    }
    return false;
  } catch (thrown) {
    throw thrown instanceof RangeError ? broken('is damaged') : thrown;
  }
}

function unpacked(packed: Buffer, rawBytes: number): Buffer {
  try {
    const raw = zlib.inflateRawSync(packed, { maxOutputLength: frameRawBytes });
    if (raw.length === rawBytes) return raw;
  } catch {
    // Said below.
  }
  throw broken('is damaged');
}

function readExactly(fd: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  let done = 0;
  while (done < bytes) {
    const got = fs.readSync(fd, buffer, done, bytes - done, null);
    if (got === 0) throw broken('breaks off');
    done += got;
  }
  return buffer;
}

const broken = (why: string): NodeletError =>
  new NodeletError('corrupt', `the layer's recipe ${why}`, { remedy: 'pull the image again' });
