import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import type { ProcessIdentity } from '../ports/processes.js';
import { bind, closeFd, errnoName, lastErrno } from './libc.js';

/** System calls that older C libraries have no function for; their numbers are the same on all architectures. */
const pidfdOpen = bind<(number: number, pid: number, flags: number) => number>(
  'long syscall(long number, int pid, unsigned int flags)',
);
const pidfdSendSignal = bind<
  (number: number, fd: number, signal: number, info: null, flags: number) => number
>('long syscall(long number, int fd, int signal, void *info, unsigned int flags)');
const poll = bind<(fds: Buffer, count: number, timeoutMs: number) => number>(
  'int poll(void *fds, unsigned long count, int timeoutMs)',
);
const syscallNumber = { pidfdSendSignal: 424, pidfdOpen: 434 };
const readable = 1;
const maxPid = 2 ** 22;
const longestPauseMs = 10;

/** What the kernel says of a process in /proc/PID/stat, proc(5). */
export interface ProcessFacts extends ProcessIdentity {
  /** One letter; `Z` and `X` have ended. */
  state: string;
  parent: number;
  group: number;
  session: number;
}

/** Undefined for what is no process, or none any more. */
export function factsOf(pid: number): ProcessFacts | undefined {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // Behind the command's name, which may hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, group, session] = fields;
  const startTicks = fields[19];
  if (state === undefined || startTicks === undefined) return undefined;
  return {
    pid,
    state,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTicks,
  };
}

export const hasEnded = ({ state }: ProcessFacts): boolean => state === 'Z' || state === 'X';

export function identify(pid: number): ProcessIdentity | undefined {
  const facts = factsOf(pid);
  return facts === undefined || hasEnded(facts) ? undefined : { pid, startTicks: facts.startTicks };
}

/** Pids of a process' children, whichever of its threads made them; none when it has gone. */
export function childrenOf(pid: number): number[] {
  try {
    return fs
      .readdirSync(`/proc/${pid}/task`)
      .flatMap((thread) => fs.readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' '))
      .filter((child) => child !== '')
      .map(Number);
  } catch {
    return [];
  }
}

/**
 * Holds on to the process by a pidfd, pidfd_open(2), which stays with it even when its number goes to another; the
 * identity is checked after it was opened. Undefined when that process has ended.
 */
function hold({ pid, startTicks }: ProcessIdentity): number | undefined {
  if (!Number.isInteger(pid) || pid <= 0 || pid > maxPid) return undefined;
  const fd = pidfdOpen(syscallNumber.pidfdOpen, pid, 0);
  if (fd < 0) {
    const reason = errnoName(lastErrno());
    // Kernels before 6.9 say EINVAL of a process that is being reaped: its number is there still, the process no more.
    if (reason === 'ESRCH' || reason === 'EINVAL') return undefined;
    throw new NodeletError('exhausted', `process ${pid} can't be held on to: ${reason}`, {
      remedy: 'nodelet needs Linux 5.3 or newer and free file descriptors',
    });
  }
  if (identify(pid)?.startTicks === startTicks) return fd;
  closeFd(fd);
  return undefined;
}

export function kill(target: ProcessIdentity, signal: number): boolean {
  const fd = hold(target);
  if (fd === undefined) return false;
  const result = pidfdSendSignal(syscallNumber.pidfdSendSignal, fd, signal, null, 0);
  closeFd(fd);
  return result === 0;
}

/**
 * Looks at the pidfd now and then, since Node's event loop takes no pidfd and a blocking poll would hold one of its few
 * worker threads for as long as a container takes to stop. A look costs 3 µs; pauses grow with the time waited, so that
 * the end is seen at most an eighth later than it came, and never more than 10 ms.
 */
export async function waitGone(
  awaited: ProcessIdentity,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const fd = hold(awaited);
  if (fd === undefined) return true;
  const request = Buffer.alloc(8);
  request.writeInt32LE(fd, 0);
  request.writeInt16LE(readable, 4);
  const start = performance.now();
  try {
    for (;;) {
      if (poll(request, 1, 0) !== 0) return true;
      const waitedMs = performance.now() - start;
      if (waitedMs >= timeoutMs || signal?.aborted === true) return false;
      const pauseMs = Math.min(longestPauseMs, waitedMs / 8, timeoutMs - waitedMs);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  } finally {
    closeFd(fd);
  }
}
