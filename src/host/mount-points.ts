import { bind } from './libc.js';

const statx = bind<(dirFd: number, path: string, flags: number, mask: number, result: Buffer) => number>(
  'int statx(int dirFd, const char *path, int flags, unsigned int mask, void *result)',
);
const workingDirectory = -100;
const noFollowNoAutomount = 0x100 | 0x800;
/** struct statx, statx(2): 256 bytes, the attributes from byte 8 on. */
const structBytes = 256;
const attributesAt = 8;
/** Known to kernels from 5.8 on; overlay's `volatile`, which nodelet can't do without, came with 5.10. */
const mountRoot = 0x2000n;

/** Whether something is mounted at `path`, also where it is of the file system around it, as a bind mount may be. */
export function isMountPoint(path: string): boolean {
  const result = Buffer.alloc(structBytes);
  if (statx(workingDirectory, path, noFollowNoAutomount, 0, result) !== 0) return false;
  return (result.readBigUInt64LE(attributesAt) & mountRoot) !== 0n;
}
