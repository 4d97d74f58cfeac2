import fs from 'node:fs';
import net from 'node:net';
import { NodeletError } from '../base/errors.js';
import type { Processes, RunOptions, RunResult } from '../ports/processes.js';
import { bind, closeFd, errnoName } from './libc.js';
import { identify, kill, killTree, livePids } from './process-tree.js';
import { createSealedPrograms } from './sealed-programs.js';

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
const waitpid = bind<(pid: number, status: number[], options: number) => number>(
  'int waitpid(int pid, _Out_ int *status, int options)',
);

/** Generous upper bounds of glibc's opaque structs. */
const structBytes = { actions: 128, attr: 512, sigset: 128 };
const closeOnExec = 0o2000000;
const setSignalDefaults = 4;
const setSignalMask = 8;
const setSession = 0x80;
const noHang = 1;
const readWrite = 2;
const defaultOutputBytes = 1024 * 1024;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const pollMs = 2;
/** A pipe that is silent for this long after its writer's end is empty: what is in it is read within one turn of the loop. */
const drainPollMs = 20;

export interface Pipe {
  readFd: number;
  writeFd: number;
}

export function openPipe(): Pipe {
  const fds = [0, 0];
  if (pipe2(fds, closeOnExec) !== 0)
    throw new NodeletError('exhausted', 'no file descriptors left for a pipe');
  return { readFd: fds[0] ?? -1, writeFd: fds[1] ?? -1 };
}

interface SpawnRequest {
  argv: readonly string[];
  env?: Readonly<Record<string, string>> | undefined;
  cwd?: string | undefined;
  /** Parent's descriptor for each of the child's: index is the child's number. */
  fds: readonly number[];
  /** Path of a terminal: it controls the child's session, and is its stdin, stdout and stderr. */
  terminal?: string;
}

/**
 * The child starts with default signal dispositions and an empty mask, whatever Node has set for itself, and in a
 * session of its own: what it starts can be told by it, and a terminal's Ctrl-C is the daemon's alone.
 */
export async function spawn({ argv, env, cwd, fds, terminal }: SpawnRequest): Promise<number> {
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
    attrFlags(attr, setSignalDefaults | setSignalMask | setSession);
    sigfillset(signals);
    attrDefaults(attr, signals);
    sigemptyset(signals);
    attrMask(attr, signals);
    const pid = [0];
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
      [...environment, null],
    );
    if (result !== 0) {
      throw new NodeletError('tool-failed', `${program} can't be started: ${errnoName(result)}`, {
        remedy: 'nodelet doctor tells which programs are missing',
      });
    }
    return pid[0] ?? 0;
  } finally {
    actionsDestroy(actions);
    attrDestroy(attr);
  }
}

/** What a pipe carries, up to `maxBytes`; `tooMuch` is called when it is more. */
class PipeReader {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private readonly pipe: net.Socket;
  /** Resolves at the pipe's end, or once it is given up. */
  readonly done: Promise<void>;

  constructor(fd: number, maxBytes: number, tooMuch: () => void) {
    const pipe = new net.Socket({ fd, readable: true, writable: false });
    this.pipe = pipe;
    pipe.on('data', (chunk) => {
      this.bytes += chunk.length;
      if (this.bytes <= maxBytes) this.chunks.push(chunk);
      else tooMuch();
    });
    pipe.on('error', () => pipe.destroy());
    this.done = new Promise((resolve) => pipe.once('close', () => resolve()));
  }

  /** Once the program has ended, all that it printed is in the pipe: reads until nothing comes, then lets go. */
  async drain(): Promise<void> {
    for (let before = -1; before !== this.bytes;) {
      before = this.bytes;
      await Promise.race([this.done, sleep(drainPollMs)]);
    }
    this.pipe.destroy();
    await this.done;
  }

  content(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Exit code of a child of ours, 128+N for signal N, and it is reaped; undefined while it runs. */
export function reapIfEnded(pid: number): number | undefined {
  const status = [0];
  if (waitpid(pid, status, noHang) === 0) return undefined;
  const raw = status[0] ?? 0;
  const signal = raw & 0x7f;
  return signal === 0 ? (raw >> 8) & 0xff : 128 + signal;
}

/** Reaps a child of ours whose end is at most moments away. */
async function reap(pid: number): Promise<number> {
  for (;;) {
    const exitCode = reapIfEnded(pid);
    if (exitCode !== undefined) return exitCode;
    await sleep(pollMs);
  }
}

/** Asked anew after each await, which the compiler's narrowing doesn't know of. */
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new NodeletError('canceled', 'the caller has gone away');
}

async function run(options: RunOptions): Promise<RunResult> {
  const { argv, env, cwd, stdin, timeoutMs, signal, maxOutputBytes = defaultOutputBytes } = options;
  if (signal?.aborted === true) throw reasonOf(signal);
  const nullFd = fs.openSync('/dev/null', 'r+');
  const input = stdin === undefined ? undefined : openPipe();
  const [out, err] = options.detachedOutput === true ? [] : [openPipe(), openPipe()];
  // Closed by the program's own end, while others may hold its output for longer.
  const lifeline = openPipe();
  const childEnds = [input?.readFd, out?.writeFd, err?.writeFd, lifeline.writeFd, nullFd];
  const parentEnds = [input?.writeFd, out?.readFd, err?.readFd, lifeline.readFd];
  const closeAll = (fds: (number | undefined)[]) => fds.forEach((fd) => fd !== undefined && closeFd(fd));
  let pid: number;
  try {
    const fds = [input?.readFd ?? nullFd, out?.writeFd ?? nullFd, err?.writeFd ?? nullFd, lifeline.writeFd];
    pid = await spawn({ argv, env, cwd, fds });
  } catch (thrown) {
    closeAll(parentEnds);
    throw thrown;
  } finally {
    closeAll(childEnds);
  }
  let failure: Error | undefined;
  const end = (reason: Error) => {
    if (failure !== undefined) return;
    failure = reason;
    killTree(pid);
  };
  const tooMuch = () =>
    end(new NodeletError('exhausted', `${argv[0]} printed more than ${maxOutputBytes} bytes`));
  const aborted = () => end(reasonOf(signal));
  signal?.addEventListener('abort', aborted, { once: true });
  // It may have fired while the spawn was awaited, when nobody listened.
  if (isAborted(signal)) aborted();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(
          () => end(new NodeletError('deadline', `${argv[0]} took longer than ${timeoutMs} ms`)),
          timeoutMs,
        );
  if (input !== undefined) {
    const writer = new net.Socket({ fd: input.writeFd, readable: false, writable: true });
    writer.on('error', () => writer.destroy());
    writer.end(Buffer.from(stdin ?? []));
  }
  const readers = [out, err].map((pipe) => pipe && new PipeReader(pipe.readFd, maxOutputBytes, tooMuch));
  await new PipeReader(lifeline.readFd, 0, () => undefined).done;
  const exitCode = await reap(pid);
  clearTimeout(timer);
  signal?.removeEventListener('abort', aborted);
  await Promise.all(readers.map(async (reader) => reader?.drain()));
  if (failure !== undefined) throw failure;
  const [stdout = Buffer.alloc(0), stderr = Buffer.alloc(0)] = readers.map((reader) => reader?.content());
  return { exitCode, stdout, stderr };
}

const monitorFds = { report: 3, start: 4 };

/** Processes by posix_spawn, off the event loop: forking a large Node process would block it for milliseconds. */
export function createProcesses(): Processes {
  return {
    run,
    startMonitor: async ({ argv, env, timeoutMs, signal }) => {
      if (signal?.aborted === true) throw reasonOf(signal);
      const nullFd = fs.openSync('/dev/null', 'r+');
      const [report, start, err] = [openPipe(), openPipe(), openPipe()];
      let pid: number;
      try {
        pid = await spawn({
          argv,
          env: { ...env, _OCI_SYNCPIPE: String(monitorFds.report), _OCI_STARTPIPE: String(monitorFds.start) },
          fds: [nullFd, nullFd, err.writeFd, report.writeFd, start.readFd],
        });
      } catch (thrown) {
        [start.writeFd, report.readFd, err.readFd].forEach((fd) => closeFd(fd));
        throw thrown;
      } finally {
        [nullFd, report.writeFd, start.readFd, err.writeFd].forEach((fd) => closeFd(fd));
      }
      fs.writeSync(start.writeFd, 'x');
      closeFd(start.writeFd);
      // The monitor holds stderr for its whole life: it is read only as far as the report.
      const errors = new net.Socket({ fd: err.readFd, readable: true, writable: false });
      let stderr = '';
      errors.on('data', (chunk) => (stderr += chunk.toString('utf8')));
      errors.on('error', () => errors.destroy());
      const text = await firstLine(report.readFd, timeoutMs, signal)
        .catch(async (thrown: unknown) => {
          killTree(pid);
          await reap(pid);
          throw thrown;
        })
        .finally(() => errors.destroy());
      await reap(pid);
      return { report: text, stderr };
    },
    sealed: createSealedPrograms(),
    identify,
    kill,
    waitGone: async (waited, timeoutMs) => {
      const deadline = performance.now() + timeoutMs;
      while (identify(waited.pid)?.startTicks === waited.startTicks) {
        if (performance.now() >= deadline) return false;
        await sleep(pollMs);
      }
      return true;
    },
    list: async () =>
      livePids().flatMap((pid) => {
        const identity = identify(pid);
        if (identity === undefined) return [];
        try {
          const argv = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
          return [{ identity, argv }];
        } catch {
          return [];
        }
      }),
  };
}

function firstLine(fd: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const pipe = new net.Socket({ fd, readable: true, writable: false });
    const fail = (reason: Error) => {
      pipe.destroy();
      reject(reason);
    };
    const aborted = () => fail(reasonOf(signal));
    const timer = setTimeout(
      () => fail(new NodeletError('deadline', `the monitor did not report within ${timeoutMs} ms`)),
      timeoutMs,
    );
    signal?.addEventListener('abort', aborted, { once: true });
    if (signal?.aborted === true) aborted();
    pipe.on('data', (chunk) => {
      text += chunk.toString('utf8');
      if (text.includes('\n')) pipe.destroy();
    });
    pipe.on('error', () => pipe.destroy());
    pipe.on('close', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      resolve(text.split('\n')[0] ?? '');
    });
  });
}
