import fs from 'node:fs';
import { Writable } from 'node:stream';
import tty from 'node:tty';

const drainBytes = 4096;
const fullPollMs = 10;
/** Ctrl-D: a terminal has no half-close, this is what its end-of-file looks like. */
const endOfTransmission = Buffer.from('\x04');

/** What comes out of a pseudo-terminal, read at its master. It ends when it is told that the process has. */
export class TerminalOutput extends tty.ReadStream {
  private over = false;

  constructor(private readonly masterFd: number) {
    super(masterFd);
    this.once('end', () => this.destroy());
  }

  /** Takes what the kernel still holds, a bounded amount, and ends the stream after it. */
  finish(): void {
    if (this.destroyed) return;
    for (let chunk = this.readNow(); chunk !== undefined; chunk = this.readNow()) this.push(chunk);
    this.push(null);
    this.over = true;
  }

  /** What a process left behind in the terminal writes later has no reader. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    return this.over ? false : super.push(chunk, encoding);
  }

  private readNow(): Buffer | undefined {
    const buffer = Buffer.alloc(drainBytes);
    try {
      const bytes = fs.readSync(this.masterFd, buffer);
      return bytes === 0 ? undefined : buffer.subarray(0, bytes);
    } catch {
      // EAGAIN: there is nothing more.
      return undefined;
    }
  }
}

/**
 * What is typed into a pseudo-terminal, written at its master. libuv would write there blocking the whole event loop
 * while nobody reads the terminal, so the writes are our own; a full terminal is tried again.
 */
export class TerminalInput extends Writable {
  constructor(
    private readonly masterFd: number,
    private readonly output: TerminalOutput,
  ) {
    super();
    output.once('close', () => this.destroy());
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // The number of a closed master may be another file's by now.
    if (this.output.destroyed) return done();
    let written = 0;
    try {
      written = fs.writeSync(this.masterFd, chunk);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') return done(thrown as Error);
    }
    const rest = chunk.subarray(written);
    if (rest.length === 0) return done();
    setTimeout(() => this._write(rest, encoding, done), fullPollMs);
  }

  override _final(done: (error?: Error | null) => void): void {
    this._write(endOfTransmission, 'utf8', done);
  }
}
