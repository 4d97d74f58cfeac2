import { bind, closeFd, lastErrno } from '../libc.js';
import { addressOf, writeWord } from './native-memory.js';

/** Names are given by address, since they need not be UTF-8 and the same memory serves all calls. */
const nativeOpenAt = bind<(dir: number, name: number, flags: number, mode: number) => number>(
  'int openat(int dir, uintptr_t name, int flags, unsigned int mode)',
);
const nativeOpenAt2 = bind<
  (...args: [call: number, dir: number, name: number, how: number, bytes: number]) => number
>('long syscall(long call, int dir, uintptr_t name, uintptr_t how, size_t bytes)');
const nativeStatx = bind<
  (...args: [dir: number, name: number, flags: number, mask: number, into: number]) => number
>('int statx(int dir, uintptr_t name, int flags, unsigned int mask, uintptr_t into)');
const nativeMakeDir = bind<(dir: number, name: number, mode: number) => number>(
  'int mkdirat(int dir, uintptr_t name, unsigned int mode)',
);
const nativeMakeNode = bind<(dir: number, name: number, mode: number, device: number) => number>(
  'int mknodat(int dir, uintptr_t name, unsigned int mode, uint64_t device)',
);
const nativeSymlink = bind<(target: number, dir: number, name: number) => number>(
  'int symlinkat(uintptr_t target, int dir, uintptr_t name)',
);
const nativeLink = bind<
  (...args: [fromDir: number, from: number, toDir: number, to: number, flags: number]) => number
>('int linkat(int fromDir, uintptr_t from, int toDir, uintptr_t to, int flags)');
const nativeUnlink = bind<(dir: number, name: number, flags: number) => number>(
  'int unlinkat(int dir, uintptr_t name, int flags)',
);
const nativeRename = bind<(...args: [fromDir: number, from: number, toDir: number, to: number]) => number>(
  'int renameat(int fromDir, uintptr_t from, int toDir, uintptr_t to)',
);
const nativeChown = bind<
  (...args: [dir: number, name: number, uid: number, gid: number, flags: number]) => number
>('int fchownat(int dir, uintptr_t name, unsigned int uid, unsigned int gid, int flags)');
const nativeChmod = bind<(dir: number, name: number, mode: number, flags: number) => number>(
  'int fchmodat(int dir, uintptr_t name, unsigned int mode, int flags)',
);
const nativeTimes = bind<(dir: number, name: number, times: number, flags: number) => number>(
  'int utimensat(int dir, uintptr_t name, uintptr_t times, int flags)',
);
const nativeSetAttribute = bind<
  (...args: [path: number, name: number, value: Buffer, bytes: number, flags: number]) => number
>('int lsetxattr(uintptr_t path, uintptr_t name, const void *value, size_t bytes, int flags)');
const nativeWrite = bind<(fd: number, from: number, bytes: number, offset: number) => number>(
  'long pwrite64(int fd, uintptr_t from, size_t bytes, int64_t offset)',
);
const nativeTruncate = bind<(fd: number, bytes: number) => number>('int ftruncate64(int fd, int64_t bytes)');

const openAt2Call = 437;
/** RESOLVE_NO_MAGICLINKS with RESOLVE_IN_ROOT, or with RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH; openat2(2). */
const resolve = { inRoot: 0x02 | 0x10, plain: 0x04 | 0x08 };
export const open = {
  writeNew: 0o1 | 0o100 | 0o200 | 0o400000 | 0o2000000,
  folder: 0o10000000 | 0o200000 | 0o2000000,
  read: 0o400000 | 0o2000000 | 0o4000,
};
const noFollow = 0x100;
const removeDir = 0x200;
const basicStats = 0x7ff;
/** struct statx. */
const statAt = {
  bytes: 256,
  uid: 20,
  gid: 24,
  mode: 28,
  inode: 32,
  size: 40,
  majorDevice: 128,
  minorDevice: 132,
};
const pathMaxBytes = 8192;

/** Memory for a text that a call takes. */
class Text {
  private readonly buffer = Buffer.alloc(pathMaxBytes);
  private readonly address = addressOf(this.buffer);

  /** Address of the text with a zero byte behind it. */
  of(latin1: string): number {
    const bytes = this.buffer.write(latin1, 0, 'latin1');
    this.buffer[bytes] = 0;
    return this.address;
  }
}

export interface EntryStat {
  /** With the type's bits, inode(7). */
  mode: number;
  uid: number;
  gid: number;
  inode: bigint;
  sizeBytes: number;
  devMajor: number;
  devMinor: number;
}

const [first, second] = [new Text(), new Text()];
const how = Buffer.alloc(24);
const howAddress = addressOf(how);
const stat = Buffer.alloc(statAt.bytes);
const statAddress = addressOf(stat);
const times = Buffer.alloc(32);
const timesAddress = addressOf(times);

/** A C function's result, or its error as a negative number. */
const outcome = (result: number): number => (result >= 0 ? result : -lastErrno());

/**
 * Calls on entries of a folder that is open, by one name without a slash, which follow no symlink. All answer a negative errno on
 * failure: what it means depends on the archive. A thread at a time: the memory for names is shared.
 */
export const treeCalls = {
  open: (dir: number, name: string, flags: number, mode = 0): number =>
    outcome(nativeOpenAt(dir, first.of(name), flags, mode)),

  /** Opens a path below `root` as a process would that has `root` for its root: symlinks lead nowhere else. */
  openInRoot: (root: number, path: string, flags: number): number =>
    openAt2(root, path, flags, resolve.inRoot),

  /** Opens a path below `root` on which there is no symlink. */
  openPlain: (root: number, path: string, flags: number): number => openAt2(root, path, flags, resolve.plain),

  stat: (dir: number, name: string): EntryStat | number => {
    const result = outcome(nativeStatx(dir, first.of(name), noFollow, basicStats, statAddress));
    if (result < 0) return result;
    return {
      mode: stat.readUInt16LE(statAt.mode),
      uid: stat.readUInt32LE(statAt.uid),
      gid: stat.readUInt32LE(statAt.gid),
      inode: stat.readBigUInt64LE(statAt.inode),
      sizeBytes: Number(stat.readBigUInt64LE(statAt.size)),
      devMajor: stat.readUInt32LE(statAt.majorDevice),
      devMinor: stat.readUInt32LE(statAt.minorDevice),
    };
  },

  makeDir: (dir: number, name: string): number => outcome(nativeMakeDir(dir, first.of(name), 0o755)),

  makeNode: (dir: number, name: string, node: { mode: number; major: number; minor: number }): number =>
    outcome(nativeMakeNode(dir, first.of(name), node.mode, deviceNumber(node))),

  symlink: (dir: number, name: string, target: string): number =>
    outcome(nativeSymlink(second.of(target), dir, first.of(name))),

  link: (from: { dir: number; name: string }, to: { dir: number; name: string }): number =>
    outcome(nativeLink(from.dir, first.of(from.name), to.dir, second.of(to.name), 0)),

  unlink: (dir: number, name: string): number => outcome(nativeUnlink(dir, first.of(name), 0)),

  removeDir: (dir: number, name: string): number => outcome(nativeUnlink(dir, first.of(name), removeDir)),

  rename: (from: { dir: number; name: string }, to: { dir: number; name: string }): number =>
    outcome(nativeRename(from.dir, first.of(from.name), to.dir, second.of(to.name))),

  chown: (dir: number, name: string, owner: { uid: number; gid: number }): number =>
    outcome(nativeChown(dir, first.of(name), owner.uid, owner.gid, noFollow)),

  /** Of what is no symlink: of one, the kernel would change the target. */
  chmod: (dir: number, name: string, mode: number): number =>
    outcome(nativeChmod(dir, first.of(name), mode, 0)),

  setTime: (dir: number, name: string, { sec, ns }: { sec: number; ns: number }): number => {
    for (const at of [0, 16]) {
      times.writeUInt32LE(sec - Math.floor(sec / 0x1_0000_0000) * 0x1_0000_0000, at);
      times.writeInt32LE(Math.floor(sec / 0x1_0000_0000), at + 4);
      times.writeUInt32LE(ns, at + 8);
    }
    return outcome(nativeTimes(dir, first.of(name), timesAddress, noFollow));
  },

  setAttribute: (dir: number, name: string, attribute: { name: string; value: Buffer }): number =>
    outcome(
      nativeSetAttribute(
        first.of(`/proc/self/fd/${dir}/${name}`),
        second.of(attribute.name),
        attribute.value,
        attribute.value.length,
        0,
      ),
    ),

  /** Writes all of a piece of memory. */
  write: (fd: number, from: { address: number; bytes: number }, offset: number): number => {
    let done = 0;
    while (done < from.bytes) {
      const result = outcome(nativeWrite(fd, from.address + done, from.bytes - done, offset + done));
      if (result < 0) return result;
      done += result;
    }
    return done;
  },

  truncate: (fd: number, bytes: number): number => outcome(nativeTruncate(fd, bytes)),

  close: (fd: number): void => void closeFd(fd),
};

function openAt2(root: number, path: string, flags: number, rules: number): number {
  writeWord(how, flags, 0);
  writeWord(how, rules, 16);
  return outcome(nativeOpenAt2(openAt2Call, root, first.of(path), howAddress, how.length));
}

/** Linux packs device numbers as glibc's makedev(3) does. */
function deviceNumber({ major, minor }: { major: number; minor: number }): number {
  const low = (minor & 0xff) + (major & 0xfff) * 0x100 + ((minor >>> 8) & 0xfff) * 0x10_0000;
  const high = ((minor >>> 20) & 0xfff) + ((major >>> 12) & 0xf_ffff) * 0x1000;
  return low + high * 0x1_0000_0000;
}
