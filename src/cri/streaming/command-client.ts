import type { Readable } from 'node:stream';
import type { TerminalSize } from '../../ports/interactive-processes.js';
import type { Outcome } from './outcome.js';

/** Which streams a client was promised. */
export interface CommandStreams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** The client's end of an exec or an attach, in whatever protocol it speaks. */
export interface CommandClient {
  /** Resolves once the client is ready for the command, with its streams in place. */
  readonly ready: Promise<void>;
  /** Aborted once the client has gone away. */
  readonly gone: AbortSignal;
  /** What the client types, to its end; what nobody reads is not taken from the client. Look at it when it is ready. */
  readonly stdin: Readable;
  /** The size that the client's terminal has, each time it tells; at once when it has told already. */
  onSize(changed: (size: TerminalSize) => void): void;
  /** Resolves once the connection has taken it; rejects when the client has gone. */
  send(stream: 'stdout' | 'stderr', data: Buffer): Promise<void>;
  /** Tells how it ended, after all output, and ends the connection. */
  finish(outcome: Outcome): Promise<void>;
}
