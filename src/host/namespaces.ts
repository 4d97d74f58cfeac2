import fs from 'node:fs';
import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { Mounts } from '../ports/mounts.js';
import type { Namespaces } from '../ports/namespaces.js';
import { bind, closeFd, mustSucceed } from './libc.js';
import { mount } from './mounts.js';
import { enterNetns, newNet, visitNetns } from './netns-visit.js';

const unshare = bind<(flags: number) => number>('int unshare(int flags)');
const socket = bind<(domain: number, type: number, protocol: number) => number>(
  'int socket(int domain, int type, int protocol)',
);
const ioctl = bind<(fd: number, request: number, argument: Buffer) => number>(
  'int ioctl(int fd, unsigned long request, void *argument)',
);

const bindFlag = 4096;
const inet = 2;
const datagramCloseOnExec = 0x80002;
const setInterfaceFlags = 0x8914;
const interfaceUp = 1;
/** struct ifreq: 16 bytes of name, then the flags. */
const ifreqBytes = 40;
const interfaceNameBytes = 16;

function bringLoopbackUp(): void {
  const request = Buffer.alloc(ifreqBytes);
  request.write('lo');
  request.writeInt16LE(interfaceUp, interfaceNameBytes);
  const fd = mustSucceed(socket(inet, datagramCloseOnExec, 0), 'socket');
  try {
    mustSucceed(ioctl(fd, setInterfaceFlags, request), 'bringing lo up');
  } finally {
    closeFd(fd);
  }
}

/** What the file system of a pinned namespace is told by; linux/magic.h. */
const nsfsMagic = 0x6e736673;

async function isPinned(file: string): Promise<boolean> {
  try {
    return (await fs.promises.statfs(file)).type === nsfsMagic;
  } catch {
    return false;
  }
}

/** What a namespace is pinned at. */
async function makeFile(file: string): Promise<void> {
  await fs.promises.mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  try {
    fs.writeFileSync(file, '', { flag: 'wx' });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    // What a crash left before the pinning may stay.
    if (await isPinned(file)) {
      throw new NodeletError('exists', `a network namespace is pinned at ${file} already`);
    }
  }
}

function pinFrom(file: string, enter: () => void): void {
  visitNetns(enter, () => {
    bringLoopbackUp();
    mustSucceed(mount('/proc/thread-self/ns/net', file, null, bindFlag, null), `pinning ${file}`);
  });
}

/** Network namespaces by unshare(2), pinned by a bind mount while the main thread is inside. */
export function createNamespaces(mounts: Mounts): Namespaces {
  return {
    createNet: async (file) => {
      await makeFile(file);
      pinFrom(file, () => mustSucceed(unshare(newNet), 'unshare(CLONE_NEWNET)'));
    },
    pinNet: async (file, pid) => {
      const netns = fs.openSync(`/proc/${pid}/ns/net`, 'r');
      try {
        await makeFile(file);
        pinFrom(file, () => enterNetns(netns));
      } finally {
        fs.closeSync(netns);
      }
    },
    removeNet: async (file) => {
      await mounts.unmount(file);
      await fs.promises.rm(file, { force: true });
    },
    isPinned,
    listPinned: async (dir) =>
      (await mounts.list(dir))
        .filter((entry) => path.dirname(entry.target) === dir)
        .map((entry) => entry.target),
  };
}
