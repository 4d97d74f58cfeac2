import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import type { IdMapping } from '../ports/mounts.js';
import { bind, closeFd, errnoName, lastErrno } from './libc.js';
import { openUserNamespace } from './user-namespace.js';

/** By number, the same on all architectures: older C libraries have no functions for them. */
const numbers = { openTree: 428, moveMount: 429, mountSetattr: 442 };
const openTree = bind<(number: number, dirFd: number, path: string, flags: number) => number>(
  'long syscall(long number, int dirFd, const char *path, unsigned int flags)',
);
const mountSetattr = bind<
  (number: number, fd: number, path: string, flags: number, attributes: Buffer, bytes: number) => number
>('long syscall(long number, int fd, const char *path, unsigned int flags, void *attributes, size_t bytes)');
const moveMount = bind<
  (number: number, fromFd: number, from: string, toFd: number, to: string, flags: number) => number
>('long syscall(long number, int fromFd, const char *from, int toFd, const char *to, unsigned int flags)');
const workingDirectory = -100;
const treeFlags = { clone: 1, closeOnExec: 0o2000000 };
const atFlags = { emptyPath: 0x1000, recursive: 0x8000 };
const fromEmptyPath = 4;
const attributes = { readOnly: 0x1n, idMap: 0x100000n };
/** struct mount_attr: attributes to set and to clear, propagation, user namespace; 8 bytes each. */
const structBytes = 32;
const userNamespaceAt = 24;

export interface IdMappedBind {
  source: string;
  target: string;
  mapping: IdMapping;
  recursive: boolean;
  readOnly: boolean;
}

/**
 * Binds `source` over `target` so that what ids 0 and up own there is seen as owned by the ids they are mapped to. The mount
 * appears whole or not at all: it is made apart from any folder, mapped, and then put into its place (mount_setattr(2)).
 * `unsupported` where the kernel (before 5.12) or the file system can't.
 */
export function bindIdMapped({ source, target, mapping, recursive, readOnly }: IdMappedBind): void {
  const below = recursive ? atFlags.recursive : 0;
  const fds: number[] = [];
  const opened = (fd: number): number => {
    fds.push(fd);
    return fd;
  };
  try {
    const cloned = treeFlags.clone | treeFlags.closeOnExec | below;
    const tree = openTree(numbers.openTree, workingDirectory, source, cloned);
    if (tree < 0) throw failed(source, target, errnoName(lastErrno()));
    opened(tree);
    const attr = Buffer.alloc(structBytes);
    attr.writeBigUInt64LE(attributes.idMap | (readOnly ? attributes.readOnly : 0n));
    attr.writeBigUInt64LE(BigInt(opened(openUserNamespace(mapping))), userNamespaceAt);
    const flags = atFlags.emptyPath | below;
    if (mountSetattr(numbers.mountSetattr, tree, '', flags, attr, structBytes) !== 0) {
      const reason = errnoName(lastErrno());
      throw new NodeletError('unsupported', `the ids of ${source} can't be mapped: ${reason}`, {
        remedy: `it is on a file system of type 0x${fs.statfsSync(source).type.toString(16)}; see mount_setattr(2)`,
      });
    }
    if (moveMount(numbers.moveMount, tree, '', workingDirectory, target, fromEmptyPath) !== 0) {
      throw failed(source, target, errnoName(lastErrno()));
    }
  } finally {
    fds.forEach((fd) => closeFd(fd));
  }
}

const failed = (source: string, target: string, reason: string) =>
  reason === 'ENOSYS'
    ? new NodeletError('unsupported', 'this kernel has no mounts with mapped ids', {
        remedy: 'Linux 5.12 or newer has',
      })
    : new NodeletError('tool-failed', `mounting ${source} at ${target} with mapped ids failed: ${reason}`);
