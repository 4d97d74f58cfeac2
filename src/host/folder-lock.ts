import fs from 'node:fs';
import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import { bind, errnoName, lastErrno } from './libc.js';

const flock = bind<(fd: number, operation: number) => number>('int flock(int fd, int operation)');
const exclusiveNoWait = 2 | 4;

/**
 * Makes this process the only nodelet that works in a folder, until it lets go or ends, however it ends: the kernel
 * keeps the lock, flock(2), and the file only tells who holds it. `exists`, naming the holder, while there is another.
 */
export function lockFolder(dir: string): () => void {
  const file = path.join(dir, 'lock');
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  try {
    if (flock(fd, exclusiveNoWait) !== 0) throw refusal(dir, fd, errnoName(lastErrno()));
    fs.ftruncateSync(fd);
    fs.writeSync(fd, `${process.pid}\n`, 0);
  } catch (thrown) {
    fs.closeSync(fd);
    throw thrown;
  }
  return () => fs.closeSync(fd);
}

function refusal(dir: string, fd: number, why: string): NodeletError {
  if (why !== 'EAGAIN' && why !== 'EWOULDBLOCK')
    return new NodeletError('tool-failed', `${dir} can't be locked: ${why}`);
  const holder = fs.readFileSync(fd, 'utf8').trim();
  return new NodeletError('exists', `another nodelet (process ${holder}) works in ${dir}`, {
    remedy: `stop it first: kill ${holder}`,
  });
}
