import type { Readable, Writable } from 'node:stream';

/** Size of a terminal in character cells. */
export interface TerminalSize {
  columns: number;
  rows: number;
}

export interface InteractiveOptions {
  /** argv[0] is an absolute path or a name looked up in PATH. Never a shell. */
  argv: readonly string[];
  /** Whole environment; default PATH only. */
  env?: Readonly<Record<string, string>>;
  /** Without it the process reads /dev/null. A terminal always brings a stdin. */
  stdin: boolean;
  /**
   * Gives the process a terminal of its own as controlling terminal, in a new session. `relay`: the process only passes
   * on to another terminal, which is its child's, as an OCI runtime's exec does: bytes go through untouched from the
   * first one, and sizes are set there too (crun 1.8 doesn't pass them on).
   */
  terminal?: TerminalSize & { relay: boolean };
}

/** A process whose streams are live. Whoever holds it reads its output streams to their ends, or kills it. */
export interface InteractiveProcess {
  /** Ending it is end-of-file for the process, in a terminal by Ctrl-D. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  /** Undefined with a terminal, where all output comes from stdout. */
  readonly stderr: Readable | undefined;
  /** Resolves when the process itself has ended, whoever may still hold its streams. Exit code; 128+N when a signal N ended it. */
  readonly exited: Promise<number>;
  /** Tells a terminal its new size, and the processes in it by SIGWINCH; nothing without a terminal. */
  resize(size: TerminalSize): void;
  /** Kills the process and its descendants, and closes the streams. Ended is success. */
  kill(): void;
}

/** Processes that talk to somebody while they run. Failing to start rejects with `tool-failed`. */
export interface InteractiveProcesses {
  start(options: InteractiveOptions): Promise<InteractiveProcess>;
}
