import fs from 'node:fs/promises';
import { NodeletError } from '../base/errors.js';
import type { LayerFiles } from '../ports/layer-files.js';
import { bind, mustSucceed } from './libc.js';

const mknod = bind<(path: string, mode: number, device: number) => number>(
  'int mknod(const char *path, uint32_t mode, uint64_t device)',
);
const setxattr = bind<
  (...args: [path: string, name: string, value: string, size: number, flags: number]) => number
>('int setxattr(const char *path, const char *name, const char *value, size_t size, int flags)');
const syncfs = bind<(fd: number) => number>('int syncfs(int fd)');

const characterDevice = 0o020000;

/** Layer files by system calls: a process per whiteout would take a thousand times as long. */
export function createLayerFiles(): LayerFiles {
  return {
    makeWhiteout: async (path) => {
      mustSucceed(mknod(path, characterDevice, 0), `making the whiteout ${path}`);
    },
    markOpaque: async (dir) => {
      mustSucceed(setxattr(dir, 'trusted.overlay.opaque', 'y', 1, 0), `marking ${dir} as opaque`);
    },
    syncFileSystem: async (path) => {
      const file = await fs.open(path);
      try {
        if ((await syncfs.inWorker(file.fd)) < 0) {
          throw new NodeletError('tool-failed', `the file system of ${path} can't be written to its disk`, {
            remedy: 'see the kernel log (dmesg) for the reason',
          });
        }
      } finally {
        await file.close();
      }
    },
    syncFolder: async (dir) => {
      const folder = await fs.open(dir);
      await folder.sync().finally(() => folder.close());
    },
  };
}
