import fs from 'node:fs/promises';
import { NodeletError } from '../base/errors.js';
import type { LayerFiles } from '../ports/layer-files.js';
import { bind } from './libc.js';

const syncfs = bind<(fd: number) => number>('int syncfs(int fd)');

/** Layer files by system calls. */
export function createLayerFiles(): LayerFiles {
  return {
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
