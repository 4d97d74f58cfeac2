import type { TerminalModes } from '../ports/terminal-modes.js';
import { bind, mustSucceed } from './libc.js';

const getAttributes = bind<(fd: number, termios: Buffer) => number>('int tcgetattr(int fd, void *termios)');
const toRaw = bind<(termios: Buffer) => void>('void cfmakeraw(void *termios)');
const setAttributes = bind<(fd: number, when: number, termios: Buffer) => number>(
  'int tcsetattr(int fd, int when, void *termios)',
);

/** TCSANOW: waiting for output that the terminal holds back (Ctrl-S) could last for ever. */
const now = 0;
/** A generous upper bound of struct termios. */
const termiosBytes = 128;

/**
 * Node's own setRawMode leaves the post-processing of output on, which makes each newline one with a carriage return: programs
 * that fill the screen mean the bare one.
 */
export const terminalModes: TerminalModes = {
  makeRaw: (fd) => {
    const before = Buffer.alloc(termiosBytes);
    mustSucceed(getAttributes(fd, before), 'reading the modes of the terminal');
    const raw = Buffer.from(before);
    toRaw(raw);
    mustSucceed(setAttributes(fd, now, raw), 'setting the terminal to raw');
    return () => void setAttributes(fd, now, before);
  },
};
