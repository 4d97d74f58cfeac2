import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { FolderUsage } from '../ports/usage-probes.js';

const blockBytes = 512;

/** Of an entry that went away while its folder was walked there is nothing to count. */
const unlessGone = (thrown: NodeJS.ErrnoException): undefined => {
  if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return undefined;
  throw thrown;
};

/**
 * What a folder takes, found entry by entry through the thread pool: one request at a time, so that whoever else needs
 * the pool waits for one `lstat` at most, and no disk that is slow ever holds up the event loop.
 */
export async function folderUsage(
  dir: string,
  { maxEntries, signal }: { maxEntries: number; signal: AbortSignal },
): Promise<FolderUsage | undefined> {
  const root = await lstat(dir).catch(unlessGone);
  if (root === undefined) return undefined;
  /** Files of several names, by inode: each is counted at the first. */
  const named = new Set<number>();
  const usage = { bytes: 0, inodes: 0, complete: true };
  const count = (entry: Stats) => {
    if (entry.nlink > 1 && !entry.isDirectory()) {
      if (named.has(entry.ino)) return;
      named.add(entry.ino);
    }
    usage.inodes++;
    usage.bytes += entry.blocks * blockBytes;
  };
  count(root);
  const waiting = [dir];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const name of (await readdir(folder).catch(unlessGone)) ?? []) {
      if (signal.aborted || usage.inodes >= maxEntries) return { ...usage, complete: false };
      const at = path.join(folder, name);
      const entry = await lstat(at).catch(unlessGone);
      // What is mounted inside belongs to its own file system.
      if (entry === undefined || entry.dev !== root.dev) continue;
      count(entry);
      if (entry.isDirectory()) waiting.push(at);
    }
  }
  return usage;
}
