import type { Duplex } from 'node:stream';
import { NodeletError } from '../../../src/base/errors.js';
import { SimClock } from '../clock.js';
import { CgroupTree } from './cgroup-tree.js';
import { ConmonModel } from './conmon.js';
import { Dice } from './dice.js';
import { FileTree } from './file-tree.js';
import { NetStack } from './net-stack.js';
import { NftRuleset } from './nft-ruleset.js';
import { OciRuntimeModel } from './oci-runtime.js';
import type { SimProcess } from './process-table.js';
import { ProcessTable } from './process-table.js';

/** What the machine itself knows of a container's program, to hold against what nodelet says of it. */
export interface ContainerTruth {
  process: SimProcess;
  /** False while the OCI runtime has only created it. */
  begun: boolean;
  exitCode: number | undefined;
  /** True once its end was seen by no monitor: nobody can know the exit code. */
  unwitnessed: boolean;
  /** True once somebody other than nodelet has ended it. */
  murdered: boolean;
}

/** One call of a tool. `cut` marks where it can be torn: a planted fault ends the tool there. */
export interface ToolCall {
  argv: readonly string[];
  cut: () => void;
}

export interface ToolOutcome {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** Still running: the tool ends with it, and with its exit code. */
  process?: SimProcess;
}

/**
 * One machine: kernel, disk and the processes on it. It knows nothing of nodelet and outlives every crash of
 * it; SimHost gives an agent its ports. Nothing here takes real time.
 */
export class SimMachine {
  readonly clock = new SimClock();
  readonly dice: Dice;
  readonly files = new FileTree(this.clock);
  readonly processes = new ProcessTable();
  readonly cgroups = new CgroupTree(this.processes);
  readonly net = new NetStack();
  readonly nft = new NftRuleset();
  readonly sysctls = new Map<string, string>();
  /** Network namespaces by the path they are pinned at. */
  readonly pins = new Map<string, number>();
  /** Ports that programs outside of nodelet listen on, as `TCP 80`. */
  readonly boundPorts = new Set<string>();
  /** Who takes connections, by `NAMESPACE ADDRESS PORT` or the path of a socket of packets. */
  readonly listeners = new Map<string, (connection: Duplex) => void>();
  /** Durable records by table, values as JSON. */
  readonly tables = new Map<string, Map<string, string>>();
  /** Every container that an OCI runtime has made, by id. */
  readonly truth = new Map<string, ContainerTruth>();
  private readonly runtime = new OciRuntimeModel(this);
  private readonly conmon = new ConmonModel(this, this.runtime);

  constructor(seed: number) {
    this.dice = new Dice(seed);
    this.processes.onEnd(() => this.collectNamespaces());
  }

  /** Runs a tool as far as it goes without time passing. */
  runTool(call: ToolCall): ToolOutcome {
    const program = call.argv[0] ?? '';
    if (/\/(crun|runc)$/.test(program)) return this.runtime.run(call);
    throw new NodeletError('tool-failed', `${program} can't be started: ENOENT`);
  }

  /** Starts conmon up to its report. */
  startMonitor(call: ToolCall): { report: string; stderr: string } {
    return this.conmon.start(call);
  }

  /** Somebody else's SIGKILL to any process. */
  murder(victim: SimProcess): void {
    const alive = [...this.truth.values()].filter(({ process }) => process.alive);
    this.processes.signal(victim, 9);
    for (const truth of alive) truth.murdered = !truth.process.alive;
  }

  collectNamespaces(): void {
    const held = new Set([...this.pins.values(), ...this.processes.all().map(({ netNs }) => netNs)]);
    this.net.collect((id) => held.has(id));
  }

  /** The namespace behind a path: a pin, or /proc/PID/ns/net; undefined where there is none. */
  netNsAt(path: string): number | undefined {
    const pid = /^\/proc\/(\d+)\/ns\/net$/.exec(path)?.[1];
    return pid === undefined ? this.pins.get(path) : this.processes.get(Number(pid))?.netNs;
  }

  /** Milliseconds that the kernel or a program takes for something in the background. */
  someMs(): number {
    return 1 + this.dice.below(8);
  }
}
