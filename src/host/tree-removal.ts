import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { FileCalls } from './file-calls.js';
import { isMountPoint } from './mount-points.js';

/** How many entries of a folder go at once: a few, so that other work gets its turn on libuv's threads. */
const batchSize = 8;

/**
 * Removes a file or a folder with all that is in it; gone is success. Each folder is asked before it is entered
 * whether something is mounted there: what is behind a mount left over from a pod (a volume, the host's own folder) is
 * not nodelet's to delete. Fails with `wrong-state` then, and leaves the mount and the way to it.
 */
export async function removeTree(target: string, calls: FileCalls): Promise<void> {
  if (!(await unlink(target, calls))) await removeFolder(target, calls);
}

/** False when it is a folder. */
async function unlink(file: string, calls: FileCalls): Promise<boolean> {
  try {
    await calls.unlink(file);
    return true;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EISDIR') return false;
    if (code === 'ENOENT' || code === 'ENOTDIR') return true;
    throw code === 'EBUSY' ? stillMounted(file, thrown) : thrown;
  }
}

async function removeFolder(dir: string, calls: FileCalls): Promise<void> {
  if (isMountPoint(dir)) throw stillMounted(dir);
  const entries = (await calls.entries(dir).catch(ignoreAbsent)) ?? [];
  for (let start = 0; start < entries.length; start += batchSize) {
    const batch = entries.slice(start, start + batchSize);
    await Promise.all(
      batch.map((entry) => {
        const inside = path.join(dir, entry.name);
        return entry.isDirectory() ? removeFolder(inside, calls) : unlink(inside, calls);
      }),
    );
  }
  await calls.rmdir(dir).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'EBUSY') throw stillMounted(dir, thrown);
    ignoreAbsent(thrown);
  });
}

function ignoreAbsent(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== 'ENOENT') throw thrown;
}

function stillMounted(place: string, cause?: unknown): NodeletError {
  return new NodeletError('wrong-state', `${place} still holds a mount`, {
    remedy: `unmount ${place} first`,
    cause,
  });
}
