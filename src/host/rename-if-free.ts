import { NodeletError } from '../base/errors.js';
import fs from 'node:fs';
import { absentAsUndefined } from './absent.js';
import { bind, errnoName, lastErrno } from './libc.js';

const renameat2 = bind<(fromDir: number, from: string, toDir: number, to: string, flags: number) => number>(
  'int renameat2(int fromDir, const char *from, int toDir, const char *to, unsigned int flags)',
);
/** AT_FDCWD, and RENAME_NOREPLACE of rename(2). */
const [workingFolder, noReplace] = [-100, 1];

/** One step of the kernel's, so that nobody can take the name in between. */
export async function renameIfFree(from: string, to: string): Promise<boolean> {
  if (renameat2(workingFolder, from, workingFolder, to, noReplace) === 0) return true;
  const reason = errnoName(lastErrno());
  if (reason === 'EEXIST' || reason === 'ENOENT') return false;
  // Some file systems (NFS) know no flags: a second name is refused by all where the name is taken.
  if (reason === 'EINVAL') return linkAndUnlink(from, to);
  throw new NodeletError('tool-failed', `renaming ${from} to ${to} failed: ${reason}`);
}

async function linkAndUnlink(from: string, to: string): Promise<boolean> {
  try {
    await fs.promises.link(from, to);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    absentAsUndefined(thrown);
    return false;
  }
  await fs.promises.unlink(from);
  return true;
}
