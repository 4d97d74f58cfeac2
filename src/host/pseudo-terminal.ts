import fs from 'node:fs';
import tty from 'node:tty';
import { NodeletError } from '../base/errors.js';
import type { TerminalSize } from '../ports/interactive-processes.js';
import { bind, closeFd, errnoName, mustSucceed } from './libc.js';
import { terminalModes } from './terminal-modes.js';

const openMaster = bind<(flags: number) => number>('int posix_openpt(int flags)');
const grant = bind<(fd: number) => number>('int grantpt(int fd)');
const unlock = bind<(fd: number) => number>('int unlockpt(int fd)');
const slaveName = bind<(fd: number, name: Buffer, bytes: number) => number>(
  'int ptsname_r(int fd, _Out_ char *name, size_t bytes)',
);
const ioctl = bind<(fd: number, request: number, argument: Buffer) => number>(
  'int ioctl(int fd, unsigned long request, void *argument)',
);

/** O_RDWR, O_NOCTTY (the terminal is the child's, not the daemon's), O_NONBLOCK and O_CLOEXEC. */
const openFlags = 0o2 | 0o400 | 0o4000 | 0o2000000;
const setWindowSize = 0x5414;
/** A generous upper bound of a terminal's path. */
const nameBytes = 64;

/** Both ends of a new pseudo-terminal: the master's descriptor and the slave's path. */
export interface PseudoTerminal {
  masterFd: number;
  slavePath: string;
}

/** Opens a pseudo-terminal, pty(7). The caller closes the master, which does not block. */
export function openPseudoTerminal({ relay, ...size }: TerminalSize & { relay: boolean }): PseudoTerminal {
  const masterFd = mustSucceed(openMaster(openFlags), 'opening a pseudo-terminal');
  try {
    mustSucceed(grant(masterFd), 'granting the pseudo-terminal');
    mustSucceed(unlock(masterFd), 'unlocking the pseudo-terminal');
    const name = Buffer.alloc(nameBytes);
    const error = slaveName(masterFd, name, nameBytes);
    if (error !== 0)
      throw new NodeletError('tool-failed', `naming the pseudo-terminal failed: ${errnoName(error)}`);
    if (relay) terminalModes.makeRaw(masterFd);
    setTerminalSize(masterFd, size);
    return { masterFd, slavePath: name.toString('utf8', 0, name.indexOf(0)) };
  } catch (thrown) {
    closeFd(masterFd);
    throw thrown;
  }
}

/** Sets the size by struct winsize (ioctl_tty(2)), at either end; the kernel sends SIGWINCH to the foreground processes. */
export function setTerminalSize(fd: number, { columns, rows }: TerminalSize): void {
  const winsize = Buffer.alloc(8);
  winsize.writeUInt16LE(Math.min(rows, 0xffff), 0);
  winsize.writeUInt16LE(Math.min(columns, 0xffff), 2);
  mustSucceed(ioctl(fd, setWindowSize, winsize), 'setting the size of the terminal');
}

/** Sets the size of the terminal that a process has as its stdin, in whatever mount namespace; none is no failure. */
export function setTerminalSizeOf(pid: number, size: TerminalSize): void {
  let fd: number;
  try {
    const { O_RDWR, O_NOCTTY, O_NONBLOCK } = fs.constants;
    fd = fs.openSync(`/proc/${pid}/fd/0`, O_RDWR | O_NOCTTY | O_NONBLOCK);
  } catch {
    return;
  }
  try {
    if (tty.isatty(fd)) setTerminalSize(fd, size);
  } finally {
    fs.closeSync(fd);
  }
}
