/** A process for good: pid plus its start time, so that a reused pid is never mistaken for it. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat, clock ticks since boot. */
  startTicks: string;
}

export interface RunOptions {
  /** argv[0] is an absolute path or a name looked up in PATH. Never a shell. */
  argv: readonly string[];
  /** What errors call it. Default argv[0]. */
  name?: string;
  /** Whole environment; default PATH only. */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  stdin?: Uint8Array;
  /** Kills the process with its descendants, also those whose parent has gone, and fails with `deadline` after this time. */
  timeoutMs?: number;
  /** Aborted: kills the process and its descendants, fails with the signal's reason. */
  signal?: AbortSignal;
  /** More output than this on either stream kills the process and fails with `exhausted`. Default 1 MiB. */
  maxOutputBytes?: number;
  /**
   * Give the child /dev/null for all of stdin, stdout and stderr. For tools whose own children live on
   * (`crun run --detach`) and would otherwise inherit pipes that nobody reads any more.
   */
  detachedOutput?: boolean;
}

export interface RunResult {
  /** Exit code; 128+N when a signal N ended it. */
  exitCode: number;
  stdout: Buffer;
  stderr: Buffer;
}

export interface MonitorOptions {
  /** conmon's argv. It daemonizes itself: its parent process exits at once and the monitor goes on alone. */
  argv: readonly string[];
  /** conmon writes an empty file `oom` into it when the kernel has killed a process of its container. */
  cwd: string;
  env: Readonly<Record<string, string>>;
  timeoutMs: number;
  signal?: AbortSignal;
}

/**
 * Processes. Spawned with posix_spawn off the event loop, since forking a large process blocks it for
 * milliseconds. Failing to start (no such program, not executable) rejects with `tool-failed`.
 */
export interface Processes {
  /** Resolves at the program's end with all that it printed, though children of it may still hold its output. */
  run(options: RunOptions): Promise<RunResult>;
  /**
   * Starts a conmon-style monitor: it gets a report pipe (fd named in _OCI_SYNCPIPE, set here) and a start
   * pipe (fd named in _OCI_STARTPIPE, written at once). Resolves with the first report line (JSON text) and with what
   * came on stderr; a monitor that ends without a report gives `report: ''`. One that is late is killed like a `run`.
   */
  startMonitor(options: MonitorOptions): Promise<{ report: string; stderr: string }>;
  /**
   * Path of a copy of `program` that nobody can change, good while this process lives. OCI runtimes make such a copy of
   * themselves and start anew at each call, so that a container can't overwrite them; started from one, they don't.
   */
  sealed(program: string): Promise<string>;
  /** Identity of a live process; undefined when there is none (a zombie counts as none). */
  identify(pid: number): ProcessIdentity | undefined;
  /**
   * Whether the process has open the very file that is at `path` now, whatever name that had when it was opened; false where
   * either has gone.
   */
  hasOpen(process: ProcessIdentity, path: string): Promise<boolean>;
  /** Sends a signal by number; false when the process has gone (or is another one by now). */
  kill(process: ProcessIdentity, signal: number): boolean;
  /**
   * Changes oom_score_adj, proc(5), of a live process from one value to another; false when it has gone or has another value,
   * as programs may set their own. `denied` for a value that nodelet may not give.
   */
  moveOomScore(pid: number, change: { from: number; to: number }): boolean;
  /** Kills a process that nodelet has started, in an earlier run, and all that came of it. Ended is success. */
  killTree(process: ProcessIdentity): Promise<void>;
  /** Resolves true once the process is gone or a zombie, false when `timeoutMs` passed or `signal` was aborted first. Must not depend on a parent reaping it. */
  waitGone(process: ProcessIdentity, timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
  /** All live processes of the machine with their argv, for orphan sweeps at start only. */
  list(): Promise<{ identity: ProcessIdentity; argv: string[] }[]>;
}
