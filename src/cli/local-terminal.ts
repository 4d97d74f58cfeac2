import type { WriteStream } from 'node:tty';
import type { TerminalSize } from '../ports/interactive-processes.js';
import type { TerminalModes } from '../ports/terminal-modes.js';

/** Signals by which a terminal's programs are ended from outside. */
const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Passes every key on untouched, Ctrl-C too. The returned function restores; so does any end of this process but SIGKILL.
 * While the process is stopped from outside, the terminal is as it was.
 */
export function rawMode(input: { fd: number }, modes: TerminalModes): () => void {
  let putBack: (() => void) | undefined;
  const enter = (): void => void (putBack ??= modes.makeRaw(input.fd));
  const restore = (): void => {
    putBack?.();
    putBack = undefined;
  };
  const end = (signal: NodeJS.Signals): void => {
    leave();
    process.kill(process.pid, signal);
  };
  const stop = (): void => {
    restore();
    process.kill(process.pid, 'SIGSTOP');
  };
  const leave = (): void => {
    restore();
    for (const signal of endSignals) process.off(signal, end);
    process.off('SIGTSTP', stop).off('SIGCONT', enter);
    process.off('exit', restore).off('uncaughtExceptionMonitor', restore);
  };
  enter();
  for (const signal of endSignals) process.on(signal, end);
  process.on('SIGTSTP', stop).on('SIGCONT', enter);
  // The monitor comes before the error is printed, which a raw terminal would show as a staircase.
  process.on('exit', restore).on('uncaughtExceptionMonitor', restore);
  return leave;
}

/** Tells the size of the terminal now and whenever it has changed. */
export function followSize(output: WriteStream, changed: (size: TerminalSize) => void): () => void {
  const tell = (): void => changed({ columns: output.columns, rows: output.rows });
  tell();
  output.on('resize', tell);
  return () => output.off('resize', tell);
}
