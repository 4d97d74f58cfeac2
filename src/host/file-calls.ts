import fs from 'node:fs';

/** The calls of node:fs that small files need. */
export interface FileCalls {
  readFile(file: string): Promise<Buffer>;
  writeFile(file: string, content: string | Uint8Array, mode: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** mkdir -p. */
  makeDir(dir: string, mode: number): Promise<void>;
  entries(dir: string): Promise<fs.Dirent[]>;
  lstat(file: string): Promise<fs.Stats>;
  unlink(file: string): Promise<void>;
  rmdir(dir: string): Promise<void>;
}

/** On libuv's threads, since a disk may let its caller wait. */
const onThreads: FileCalls = {
  readFile: (file) => fs.promises.readFile(file),
  writeFile: (file, content, mode) => fs.promises.writeFile(file, content, { mode }),
  rename: fs.promises.rename,
  makeDir: async (dir, mode) => void (await fs.promises.mkdir(dir, { recursive: true, mode })),
  entries: (dir) => fs.promises.readdir(dir, { withFileTypes: true }),
  lstat: (file) => fs.promises.lstat(file),
  unlink: fs.promises.unlink,
  rmdir: (dir) => fs.promises.rmdir(dir),
};

/** At once: in memory a call takes microseconds, less than handing it to a thread and hearing from that. */
const inPlace: FileCalls = {
  readFile: async (file) => fs.readFileSync(file),
  writeFile: async (file, content, mode) => fs.writeFileSync(file, content, { mode }),
  rename: async (from, to) => fs.renameSync(from, to),
  makeDir: async (dir, mode) => void fs.mkdirSync(dir, { recursive: true, mode }),
  entries: async (dir) => fs.readdirSync(dir, { withFileTypes: true }),
  lstat: async (file) => fs.lstatSync(file),
  unlink: async (file) => fs.unlinkSync(file),
  rmdir: async (dir) => fs.rmdirSync(dir),
};

const tmpfsMagic = 0x01021994;

/** Chooses the calls by where a path lies: `tmpfsDirs` are asked once whether they are in memory, as /proc is. */
export function chooseCalls(tmpfsDirs: readonly string[]): (path: string) => FileCalls {
  const inMemory = ['/proc/', ...tmpfsDirs.filter(isTmpfs).map((dir) => `${dir}/`)];
  return (path) => (inMemory.some((dir) => path.startsWith(dir)) ? inPlace : onThreads);
}

function isTmpfs(dir: string): boolean {
  try {
    return fs.statfsSync(dir).type === tmpfsMagic;
  } catch {
    return false;
  }
}
