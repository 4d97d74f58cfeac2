import { randomBytes } from 'node:crypto';
import { NodeletError } from '../base/errors.js';
import { bind, errnoName } from './libc.js';

const spawnp = bind<
  (
    pid: number[],
    file: string,
    actions: Buffer,
    attr: Buffer,
    argv: (string | null)[],
    envp: (string | null)[],
  ) => number
>(
  'int posix_spawnp(_Out_ int *pid, const char *file, void *actions, void *attr, const char **argv, const char **envp)',
);
type OnStruct = (struct: Buffer) => number;
const actionsInit = bind<OnStruct>('int posix_spawn_file_actions_init(void *actions)');
const actionsDestroy = bind<OnStruct>('int posix_spawn_file_actions_destroy(void *actions)');
const actionDup = bind<(actions: Buffer, fd: number, as: number) => number>(
  'int posix_spawn_file_actions_adddup2(void *actions, int fd, int as)',
);
const actionOpen = bind<(actions: Buffer, fd: number, path: string, flags: number, mode: number) => number>(
  'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)',
);
const actionClose = bind<(actions: Buffer, fd: number) => number>(
  'int posix_spawn_file_actions_addclose(void *actions, int fd)',
);
const actionChdir = bind<(actions: Buffer, path: string) => number>(
  'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
);
const attrInit = bind<OnStruct>('int posix_spawnattr_init(void *attr)');
const attrDestroy = bind<OnStruct>('int posix_spawnattr_destroy(void *attr)');
const attrFlags = bind<(attr: Buffer, flags: number) => number>(
  'int posix_spawnattr_setflags(void *attr, short flags)',
);
const attrDefaults = bind<(attr: Buffer, set: Buffer) => number>(
  'int posix_spawnattr_setsigdefault(void *attr, void *set)',
);
const attrMask = bind<(attr: Buffer, set: Buffer) => number>(
  'int posix_spawnattr_setsigmask(void *attr, void *set)',
);
const sigfillset = bind<OnStruct>('int sigfillset(void *set)');
const sigemptyset = bind<OnStruct>('int sigemptyset(void *set)');
const pipe2 = bind<(fds: number[], flags: number) => number>('int pipe2(_Out_ int *fds, int flags)');

const fcntl = bind<(fd: number, command: number, argument: number) => number>(
  'int fcntl(int fd, int command, int argument)',
);

const setPipeSize = 1031;
const roomyBytes = 256 * 1024;
/** Generous upper bounds of glibc's opaque structs. */
const structBytes = { actions: 128, attr: 512, sigset: 128 };
const closeOnExec = 0o2000000;
const readWrite = 2;
/** POSIX_SPAWN_ flags: SETSIGDEF and SETSIGMASK, SETPGROUP, SETSID. */
const attributeFlags = { signals: 0x4 | 0x8, group: 0x2, session: 0x80 };
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface Pipe {
  readFd: number;
  writeFd: number;
}

/** A pipe whose ends no child inherits unless it is given them. */
export function openPipe(): Pipe {
  const fds = [0, 0];
  if (pipe2(fds, closeOnExec) !== 0) {
    throw new NodeletError('exhausted', 'no file descriptors left for a pipe');
  }
  return { readFd: fds[0] ?? -1, writeFd: fds[1] ?? -1 };
}

/** One that holds four times as much, so that its two sides wait for each other less often. */
export function openRoomyPipe(): Pipe {
  const pipe = openPipe();
  // A user's pipes are bounded altogether (pipe(7)): one that can't grow serves as it is.
  fcntl(pipe.writeFd, setPipeSize, roomyBytes);
  return pipe;
}

export interface SpawnRequest {
  argv: readonly string[];
  env?: Readonly<Record<string, string>> | undefined;
  cwd?: string | undefined;
  /** Parent's descriptor for each of the child's: index is the child's number. */
  fds: readonly number[];
  /** Path of a terminal: it controls the child's session, and is its stdin, stdout and stderr. */
  terminal?: string;
}

/** The variable in a child's environment that it is known by. */
export const markName = 'NODELET_SPAWN';

/** A child of ours, not waited for yet. */
export interface Child {
  pid: number;
  /** In the environment of the child and of what it starts, `NAME=value`: they are known by it when they have left their parents. */
  mark: string;
  /** Once it is, the number may be another process's. */
  reaped: boolean;
}

/**
 * Starts a program with posix_spawn(3) on a worker thread: forking a large Node process would block it for
 * milliseconds. The child has default signal dispositions and an empty mask, whatever Node has set for itself, and
 * leads a process group, which keeps a terminal's Ctrl-C to the daemon; only with a terminal of its own it leads a session,
 * since the kernel gives each session a scheduling group, which on a busy machine costs 4 ms a start. `tool-failed` when there is no such program or it can't be executed.
 */
export async function spawn({ argv, env, cwd, fds, terminal }: SpawnRequest): Promise<Child> {
  const actions = Buffer.alloc(structBytes.actions);
  const attr = Buffer.alloc(structBytes.attr);
  const signals = Buffer.alloc(structBytes.sigset);
  actionsInit(actions);
  attrInit(attr);
  try {
    // Two rounds, over numbers nobody uses, so that no descriptor is overwritten before it was copied.
    const parked = Math.max(...fds, fds.length, 2) + 1;
    fds.forEach((fd, index) => actionDup(actions, fd, parked + index));
    fds.forEach((_, index) => actionDup(actions, parked + index, index));
    fds.forEach((_, index) => actionClose(actions, parked + index));
    if (terminal !== undefined) {
      // Opened by a session leader that has none yet, a terminal becomes the controlling one.
      actionOpen(actions, 0, terminal, readWrite, 0);
      [1, 2].forEach((fd) => actionDup(actions, 0, fd));
    }
    if (cwd !== undefined) actionChdir(actions, cwd);
    const { signals: resetSignals, group, session } = attributeFlags;
    attrFlags(attr, resetSignals | (terminal === undefined ? group : session));
    sigfillset(signals);
    attrDefaults(attr, signals);
    sigemptyset(signals);
    attrMask(attr, signals);
    const pid = [0];
    const mark = `${markName}=${randomBytes(8).toString('hex')}`;
    const environment = Object.entries({ PATH: defaultPath, ...env }).map(
      ([key, value]) => `${key}=${value}`,
    );
    const program = argv[0] ?? '';
    const result = await spawnp.inWorker(
      pid,
      program,
      actions,
      attr,
      [...argv, null],
      [...environment, mark, null],
    );
    if (result !== 0) {
      throw new NodeletError('tool-failed', `${program} can't be started: ${errnoName(result)}`, {
        remedy: 'nodelet doctor tells which programs are missing',
      });
    }
    return { pid: pid[0] ?? 0, mark, reaped: false };
  } finally {
    actionsDestroy(actions);
    attrDestroy(attr);
  }
}
