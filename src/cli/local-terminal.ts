import type { ReadStream, WriteStream } from 'node:tty';
import type { TerminalSize } from '../ports/interactive-processes.js';

/** Signals by which a terminal's programs are ended from outside. */
const endSignals = ['SIGTERM', 'SIGHUP'] as const;

/** Passes every key on untouched, Ctrl-C too. The returned function restores; so does any end of this process but SIGKILL. */
export function rawMode(input: ReadStream): () => void {
  const restore = (): void => void (input.isTTY && input.setRawMode(false));
  const ends = endSignals.map((signal) => {
    const end = (): void => {
      restore();
      process.kill(process.pid, signal);
    };
    process.once(signal, end);
    return () => process.off(signal, end);
  });
  process.once('exit', restore);
  input.setRawMode(true);
  return () => {
    restore();
    process.off('exit', restore);
    for (const off of ends) off();
  };
}

/** Tells the size of the terminal now and whenever it has changed. */
export function followSize(output: WriteStream, changed: (size: TerminalSize) => void): () => void {
  const tell = (): void => changed({ columns: output.columns, rows: output.rows });
  tell();
  output.on('resize', tell);
  return () => output.off('resize', tell);
}
