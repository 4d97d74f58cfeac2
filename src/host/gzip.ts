import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { NodeletError } from '../base/errors.js';
import { absentAsUndefined } from './absent.js';

const pieceBytes = 64 * 1024;

export async function gzip({ from, to }: { from: string; to: string }, signal: AbortSignal): Promise<void> {
  const source = await fs.promises.open(from).catch(absentAsUndefined);
  if (source === undefined) throw new NodeletError('not-found', `there is no file ${from}`);
  try {
    await pack(source, to, signal);
  } catch (thrown) {
    await fs.promises.unlink(to).catch(absentAsUndefined);
    throw thrown;
  } finally {
    await source.close();
  }
}

async function pack(source: FileHandle, to: string, signal: AbortSignal): Promise<void> {
  const { mode, uid, gid, atime, mtime } = await source.stat();
  const target = await fs.promises.open(to, 'w', mode & 0o777);
  try {
    // zlib's streams work on libuv's threads, a piece at a time.
    await pipeline(
      source.createReadStream({ highWaterMark: pieceBytes, autoClose: false }),
      createGzip({ chunkSize: pieceBytes }),
      async (packed: AsyncIterable<Buffer>) => {
        for await (const piece of packed) await target.writeFile(piece);
      },
      { signal },
    );
    await target.chown(uid, gid);
    await target.utimes(atime, mtime);
    await target.sync();
  } finally {
    await target.close();
  }
}
