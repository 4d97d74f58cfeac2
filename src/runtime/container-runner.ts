import type { CallContext } from '../base/call-context.js';
import type { ContainerId, SandboxId } from '../base/ids.js';
import type { InteractiveProcess, TerminalSize } from '../ports/interactive-processes.js';
import type { CheckpointRequest } from './checkpoint.js';
import type { LogTarget } from './log-reopen.js';
import type { ProcessIdentity } from '../ports/processes.js';
import type { RuntimeFeatures } from './runtime-features.js';

/** One container as the OCI runtime knows it. `handler` is a resolved runtime name (never empty). */
export interface RunnerTarget {
  id: ContainerId | SandboxId;
  handler: string;
  /** Folder that holds config.json. */
  bundle: string;
  /** Undefined for what no record knows. */
  cgroupPath: string | undefined;
  /** Has hooks to be run after its end. */
  hasPoststop?: boolean;
}

export interface MonitoredStart extends RunnerTarget {
  /** Name shown in the monitor's argv. */
  name: string;
  /** Absolute path of the CRI log file; undefined: no log. */
  logPath: string | undefined;
  terminal: boolean;
  stdin: boolean;
  stdinOnce: boolean;
}

export interface RunningProcesses {
  process: ProcessIdentity;
  monitor: ProcessIdentity;
  /** When the container's own program was let go. */
  startedAtNs: string;
}

/** What is left of a start whose end nobody saw; `begun` once its program may have run. */
export interface StartLeftover {
  begun: boolean;
  /** Undefined when process 1 has ended, or never was. */
  process: ProcessIdentity | undefined;
}

/** How process 1 of a container ended, as kept by its monitor in a file that outlives the agent. */
export interface ExitRecord {
  exitCode: number;
  finishedAtNs: string;
}

export interface ExecRequest extends RunnerTarget {
  cmd: readonly string[];
  timeoutMs: number | undefined;
  maxOutputBytes: number;
}

export interface InteractiveExec extends RunnerTarget {
  cmd: readonly string[];
  stdin: boolean;
  /** Runs the command in a terminal of this size. */
  terminal?: TerminalSize;
}

export interface AttachRequest extends RunnerTarget {
  /** Whether the caller has something to type. */
  stdin: boolean;
  /** As the container was started: its stdin ends with its first attach; it has a terminal. */
  stdinOnce: boolean;
  terminal: boolean;
}

/** The OCI runtime and its monitor: public face of the runtime room. Errors of the tools are `tool-failed` with the tool's own message, or `invalid` / `not-found` where it says that the command is missing. */
export interface ContainerRunner {
  /** Makes the machine fit for the runtimes (stranded cgroup controllers), makes the exit folder, ends execs that an earlier run has left. */
  start(): Promise<void>;
  /** Names of the configured handlers. */
  handlers(): string[];
  /** Resolves a request's handler; `not-found` naming `runtime_handler` and those that exist. */
  resolveHandler(handler: string): string;
  /** Paths of the programs without which no container can be made (default runtime, monitor) and that can't be run now. */
  missingPrograms(): Promise<string[]>;
  /** What the runtime of a resolved handler and this kernel can do; asked once for each. */
  features(handler: string): Promise<RuntimeFeatures>;
  /** Runs an infra container without a monitor. */
  runInfra(target: RunnerTarget, ctx: CallContext): Promise<ProcessIdentity>;
  /** Creates and starts a container under a monitor; on failure nothing of it is left. */
  startContainer(request: MonitoredStart, ctx: CallContext): Promise<RunningProcesses>;
  /** `exec` with collected output; `deadline` when it timed out (its process tree is killed), `exhausted` when the output is too large. */
  execSync(
    request: ExecRequest,
    ctx: CallContext,
  ): Promise<{ exitCode: number; stdout: Buffer; stderr: Buffer }>;
  /** `exec` with live streams; its `exited` rejects with `invalid` when the command can't be run. */
  execInteractive(request: InteractiveExec): Promise<InteractiveProcess>;
  /** Joins the stdio of a running container: `exited` is its end, `kill` lets go of it. `wrong-state` while it ends. */
  attach(request: AttachRequest): Promise<InteractiveProcess>;
  /**
   * Kills what is left of the container and removes the runtime's state and cgroup of it; gone is success.
   * Where a monitor is named, it returns once that has ended and so writes nothing any more.
   */
  remove(target: RunnerTarget, monitor?: ProcessIdentity): Promise<void>;
  /** Looks at the machine for a start that an earlier run of the agent did not finish. */
  inspectStart(target: RunnerTarget): Promise<StartLeftover>;
  /** The live monitors by container id, for recovery: it reads all processes. */
  monitors(): Promise<Map<string, ProcessIdentity>>;
  /** `unsupported` telling what is missing where this runtime, CRIU or the kernel can't make checkpoints. */
  requireCheckpoints(target: RunnerTarget): Promise<void>;
  /** Writes the state of a running container's processes; they go on. `deadline` naming `timeout` when it took too long: the container may be left frozen then. */
  checkpoint(request: CheckpointRequest, ctx: CallContext): Promise<void>;
  /** Lets the monitor go on in a new file at its log's path, and returns once it does (log-reopen.ts). */
  reopenLog(target: LogTarget, ctx: CallContext): Promise<void>;
  /** The exit of a container, undefined while it has none. */
  readExit(id: ContainerId): Promise<ExitRecord | undefined>;
  /** Forgets the exit file. */
  forgetExit(id: ContainerId): Promise<void>;
  /** Ids of all containers that have an exit file. */
  exits(): Promise<ContainerId[]>;
  /** Calls back with the id of each container whose exit file appears; returns stop. Missed ones are found with readExit. */
  watchExits(exited: (id: ContainerId) => void): () => void;
  /** Ids that any configured runtime still has state for, under nodelet's own state root. */
  list(): Promise<{ id: string; handler: string }[]>;
}
