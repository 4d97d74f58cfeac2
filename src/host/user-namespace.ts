import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import type { IdMapping, IdRange } from '../ports/mounts.js';
import { bind, errnoName, lastErrno } from './libc.js';

const dlsym = bind<(library: null, name: string) => unknown>('void *dlsym(void *library, const char *name)');
const clone = bind<(run: unknown, stack: Buffer, flags: number, argument: null) => number>(
  'int clone(void *run, void *stack, int flags, void *argument)',
);
const waitpid = bind<(pid: number, status: null, options: number) => number>(
  'int waitpid(int pid, void *status, int options)',
);
const cloneFlags = { memory: 0x100, waitForEnd: 0x4000, newUser: 0x10000000 };
/** Children that tell nobody of their end are waited for by this alone; waitpid(2). */
const waitAll = 0x40000000;
const stackBytes = 64 * 1024;

const line = ({ containerId, hostId, length }: IdRange) => `${containerId} ${hostId} ${length}`;

/**
 * Opens a new user namespace with a mapping; the caller closes it. A process of several threads can't make one for itself,
 * so a child makes it that shares the memory, runs `_exit` at once and nothing else, and is kept as a zombie, whose
 * namespace can still be mapped and opened, until that is done. It takes a fraction of a millisecond, and no program.
 */
export function openUserNamespace({ uids, gids }: IdMapping): number {
  const stack = Buffer.alloc(stackBytes);
  const flags = cloneFlags.memory | cloneFlags.waitForEnd | cloneFlags.newUser;
  // The stack grows downwards; what is above its begin is spare.
  const pid = clone(dlsym(null, '_exit'), stack.subarray(stackBytes - stackBytes / 4), flags, null);
  if (pid < 0) throw noUserNamespace(errnoName(lastErrno()));
  try {
    fs.writeFileSync(`/proc/${pid}/uid_map`, line(uids));
    fs.writeFileSync(`/proc/${pid}/gid_map`, line(gids));
    return fs.openSync(`/proc/${pid}/ns/user`, 'r');
  } catch (thrown) {
    throw noUserNamespace((thrown as NodeJS.ErrnoException).code ?? String(thrown));
  } finally {
    waitpid(pid, null, waitAll);
  }
}

const noUserNamespace = (reason: string) =>
  new NodeletError('unsupported', `the kernel makes no user namespace with these mappings: ${reason}`, {
    remedy: 'see user.max_user_namespaces, and CONFIG_USER_NS of the kernel',
  });
