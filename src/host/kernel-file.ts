import { closeSync, openSync, readSync } from 'node:fs';

/** Reused, since readers take turns on one thread; larger than any file of a cgroup but a list of very many pids. */
const page = Buffer.allocUnsafe(64 * 1024);
const absent = new Set(['ENOENT', 'ENOTDIR', 'ENODEV', 'EOPNOTSUPP', 'ESRCH']);

/**
 * A small file that the kernel makes up as it is read, at once: through the thread pool it would take ten times as long. Undefined where
 * there is none, its group or process has gone, or the kernel has the feature switched off.
 */
export function readKernelFile(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    let text = '';
    for (;;) {
      const bytes = readSync(fd, page, 0, page.length, null);
      text += page.toString('latin1', 0, bytes);
      if (bytes < page.length) return text;
    }
  } catch (thrown) {
    if (absent.has((thrown as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw thrown;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
