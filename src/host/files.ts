import fs from 'node:fs';
import path from 'node:path';
import type { Files } from '../ports/files.js';
import { absentAsUndefined } from './absent.js';
import { chooseCalls } from './file-calls.js';
import { takeFromFifo, writeToFifo } from './fifo.js';
import { FolderWatch } from './folder-watch.js';
import { gzip } from './gzip.js';
import { renameIfFree } from './rename-if-free.js';
import { realPathIn } from './rooted-path.js';
import { removeTree } from './tree-removal.js';

const code = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException).code;
let writes = 0;

/** Linux packs device numbers as glibc's gnu_dev_major and gnu_dev_minor take them apart; makedev(3). */
function deviceOf(stat: fs.Stats): { type: 'c' | 'b'; major: number; minor: number } {
  const packed = BigInt(stat.rdev);
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xfffff000n);
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xffffff00n);
  return { type: stat.isBlockDevice() ? 'b' : 'c', major: Number(major), minor: Number(minor) };
}

/** Files through node:fs; what lies in one of `tmpfsDirs` that is a tmpfs without a thread's help. */
export function createFiles(tmpfsDirs: readonly string[] = []): Files {
  const callsFor = chooseCalls(tmpfsDirs);
  return {
    read: (file) => callsFor(file).readFile(file).catch(absentAsUndefined),
    writeAtomic: async (file, content, mode = 0o644) => {
      const calls = callsFor(file);
      const temporary = `${file}.${process.pid}.${writes++}.tmp`;
      const write = () => calls.writeFile(temporary, content, mode);
      try {
        await write().catch(async (thrown: unknown) => {
          if (code(thrown) !== 'ENOENT') throw thrown;
          await calls.makeDir(path.dirname(file), 0o755);
          await write();
        });
        await calls.rename(temporary, file);
      } catch (thrown) {
        await calls.unlink(temporary).catch(absentAsUndefined);
        throw thrown;
      }
    },
    rename: (from, to) => callsFor(from).rename(from, to),
    renameIfFree,
    gzip,
    makeDir: (dir, mode = 0o755) => callsFor(dir).makeDir(dir, mode),
    setOwner: (file, { uid, gid }) => fs.promises.lchown(file, uid, gid),
    removeTree: (target) => removeTree(target, callsFor(target)),
    list: async (dir) => {
      const entries = (await callsFor(dir).entries(dir).catch(absentAsUndefined)) ?? [];
      return entries.map(({ name }) => name).sort();
    },
    stat: async (file) => {
      const stat = await callsFor(file).lstat(file).catch(absentAsUndefined);
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
    realPath: (file) => fs.promises.realpath(file).catch(absentAsUndefined),
    realPathIn,
    readLink: (file) =>
      fs.promises.readlink(file).catch((thrown: unknown) => {
        // EINVAL: it is there, and no symlink.
        return code(thrown) === 'EINVAL' ? undefined : absentAsUndefined(thrown);
      }),
    writeToFifo,
    takeFromFifo,
    watch: (dir, changed) => {
      const watch = new FolderWatch(dir, changed);
      return () => watch.stop();
    },
  };
}
