import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { NodeletError } from '../base/errors.js';
import { identify } from './process-identity.js';

/** Longer than any score: `-1000` and a line end. */
const textMaxBytes = 16;
const gone = new Set(['ENOENT', 'ESRCH']);

/** See Processes. The file stays with the process that it was opened for, whoever has its number by then. */
export function moveOomScore(pid: number, { from, to }: { from: number; to: number }): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/oom_score_adj`, 'r+');
    // One that has ended has its file until somebody reaps it.
    if (identify(pid) === undefined) return false;
    const text = Buffer.alloc(textMaxBytes);
    const bytes = readSync(fd, text, 0, textMaxBytes, 0);
    if (Number(text.toString('latin1', 0, bytes)) !== from) return false;
    writeSync(fd, String(to), 0);
    return true;
  } catch (thrown) {
    const { code = '' } = thrown as NodeJS.ErrnoException;
    if (gone.has(code)) return false;
    throw new NodeletError('denied', `oom_score_adj of process ${pid} can't be ${to}: ${code}`, {
      remedy: 'run nodelet with CAP_SYS_RESOURCE',
      cause: thrown,
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
