import { NodeletError } from '../base/errors.js';
import { bind, errnoName, lastErrno } from './libc.js';

/** By number, the same on all architectures: older C libraries have no function for it. */
const mountSetattrNumber = 442;
const mountSetattr = bind<
  (number: number, fd: number, path: string, flags: number, attributes: Buffer, bytes: number) => number
>('long syscall(long number, int fd, const char *path, unsigned int flags, void *attributes, size_t bytes)');
const workingDirectory = -100;
const recursiveFlag = 0x8000;
const readOnlyAttribute = 1n;
/** struct mount_attr: attributes to set and to clear, propagation, user namespace. */
const structBytes = 32;

/**
 * Makes a mount read-only by mount_setattr(2), with all mounts below it where asked, and leaves its other attributes
 * (nosuid, nodev, noexec) as they are, where a remount would reset them. `unsupported` before Linux 5.12.
 */
export function makeReadOnly(target: string, { recursive }: { recursive: boolean }): void {
  const attributes = Buffer.alloc(structBytes);
  attributes.writeBigUInt64LE(readOnlyAttribute);
  const flags = recursive ? recursiveFlag : 0;
  if (mountSetattr(mountSetattrNumber, workingDirectory, target, flags, attributes, structBytes) === 0)
    return;
  const reason = errnoName(lastErrno());
  if (reason !== 'ENOSYS') {
    throw new NodeletError('tool-failed', `making the mount at ${target} read-only failed: ${reason}`);
  }
  throw new NodeletError('unsupported', `the mount at ${target} can't be made read-only by this kernel`, {
    remedy: 'Linux 5.12 or newer can',
  });
}
