import { NodeletError } from '../../base/errors.js';
import { errnoName } from '../libc.js';
import { hostile, shown } from './archive-error.js';

/** What a call on an entry failed for, told by its kind: the disk, this process's rights, or the archive. `result` is a negative errno. */
export function treeError(result: number, what: string, name: string): NodeletError {
  const code = errnoName(-result);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new NodeletError('exhausted', 'the disk of the image store is full', {
      remedy: 'remove images that are not needed, or make room below rootDir',
    });
  }
  if (code === 'ENAMETOOLONG' || code === 'ELOOP' || code === 'ENOTDIR') {
    return hostile(`${what} ${shown(name)} fails: ${code}`);
  }
  const remedy =
    code === 'EPERM' || code === 'EACCES'
      ? 'run nodelet as root, with CAP_MKNOD, CAP_CHOWN and CAP_SYS_ADMIN'
      : 'check the disk that holds rootDir; the kernel log (dmesg) may tell more';
  return new NodeletError(
    'tool-failed',
    `the image store can't be written: ${what} ${shown(name)}: ${code}`,
    {
      remedy,
    },
  );
}

/** Passes a call's result on, or throws. */
export function must(result: number, what: string, name: string): number {
  if (result < 0) throw treeError(result, what, name);
  return result;
}
