import fs from 'node:fs';
import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { Files } from '../ports/files.js';
import { FolderWatch } from './folder-watch.js';
import { removeTree } from './tree-removal.js';

const code = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException).code;
const absent = (thrown: unknown): undefined => {
  if (code(thrown) === 'ENOENT' || code(thrown) === 'ENOTDIR') return undefined;
  throw thrown;
};
let writes = 0;

/** Linux packs device numbers as glibc's gnu_dev_major and gnu_dev_minor take them apart; makedev(3). */
function deviceOf(stat: fs.Stats): { type: 'c' | 'b'; major: number; minor: number } {
  const packed = BigInt(stat.rdev);
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xfffff000n);
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xffffff00n);
  return { type: stat.isBlockDevice() ? 'b' : 'c', major: Number(major), minor: Number(minor) };
}

/** Files through node:fs. */
export function createFiles(): Files {
  const makeDir = async (dir: string, mode = 0o755): Promise<void> => {
    await fs.promises.mkdir(dir, { recursive: true, mode });
  };
  return {
    read: (file) => fs.promises.readFile(file).catch(absent),
    writeAtomic: async (file, content, mode = 0o644) => {
      const temporary = `${file}.${process.pid}.${writes++}.tmp`;
      const write = () => fs.promises.writeFile(temporary, content, { mode });
      try {
        await write().catch(async (thrown: unknown) => {
          if (code(thrown) !== 'ENOENT') throw thrown;
          await makeDir(path.dirname(file));
          await write();
        });
        await fs.promises.rename(temporary, file);
      } catch (thrown) {
        await fs.promises.rm(temporary, { force: true });
        throw thrown;
      }
    },
    makeDir,
    removeTree,
    list: async (dir) => ((await fs.promises.readdir(dir).catch(absent)) ?? []).sort(),
    stat: async (file) => {
      const stat = await fs.promises.lstat(file).catch(absent);
      if (stat === undefined) return undefined;
      const kind = stat.isFile()
        ? 'file'
        : stat.isDirectory()
          ? 'dir'
          : stat.isSymbolicLink()
            ? 'symlink'
            : 'other';
      return {
        kind,
        sizeBytes: stat.size,
        mode: stat.mode & 0o7777,
        uid: stat.uid,
        gid: stat.gid,
        mtimeMs: stat.mtimeMs,
        ...(stat.isCharacterDevice() || stat.isBlockDevice() ? { device: deviceOf(stat) } : {}),
      };
    },
    realPath: (file) => fs.promises.realpath(file).catch(absent),
    writeToFifo: async (fifo, text) => {
      const flags = fs.constants.O_WRONLY | fs.constants.O_NONBLOCK;
      const file = await fs.promises.open(fifo, flags).catch((thrown: unknown) => {
        throw new NodeletError('wrong-state', `nobody reads ${fifo}`, { cause: thrown });
      });
      await file.write(text).finally(() => file.close());
    },
    watch: (dir, changed) => {
      const watch = new FolderWatch(dir, changed);
      return () => watch.stop();
    },
  };
}
