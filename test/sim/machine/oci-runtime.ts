import type { OciSpec } from '../../../src/spec/oci-spec-types.js';
import type { ProgramBehaviour } from './container-program.js';
import { programBehaviour } from './container-program.js';
import type { ContainerTruth, SimMachine, ToolCall, ToolOutcome } from './machine.js';
import { hostNetNs } from './net-stack.js';
import { parseRuntimeArgv } from './oci-runtime-argv.js';
import type { RuntimeArgv } from './oci-runtime-argv.js';
import type { SimProcess } from './process-table.js';
import { hostPidNs } from './process-table.js';

/** What the runtime keeps of a container, in `status` of its state folder. */
interface Status {
  pid: number;
  startTicks: string;
  bundle: string;
  cgroup: string;
}

const done: ToolOutcome = { exitCode: 0, stdout: '', stderr: '' };
const failed = (stderr: string, exitCode = 1): ToolOutcome => ({ exitCode, stdout: '', stderr });

/** crun, as far as nodelet uses it; runc differs only in its messages. What it says and leaves was read off crun 1.8. */
export class OciRuntimeModel {
  constructor(private readonly machine: SimMachine) {}

  /** With `--log`, what the runtime has to say goes there and not to the caller. */
  run({ argv, cut }: ToolCall): ToolOutcome {
    const call = parseRuntimeArgv(argv);
    const outcome = this.perform(call, cut);
    if (call.log === undefined || outcome.stderr === '') return outcome;
    this.machine.files.write(call.log, `${outcome.stderr}\n`);
    return { ...outcome, stderr: '' };
  }

  private perform(call: RuntimeArgv, cut: () => void): ToolOutcome {
    switch (call.verb) {
      case 'run': {
        const created = this.create(call, cut);
        return created.exitCode === 0 ? this.start(call) : created;
      }
      case 'create':
        return this.create(call, cut);
      case 'start':
        return this.start(call);
      case 'delete':
        return this.remove(call, cut);
      case 'state':
        return this.state(call);
      case 'kill':
        return this.kill(call);
      case 'exec':
        return this.exec(call);
    }
  }

  private status({ dir }: RuntimeArgv): Status | undefined {
    const text = this.machine.files.text(`${dir}/status`);
    return text === undefined ? undefined : (JSON.parse(text) as Status);
  }

  private unknown(call: RuntimeArgv): ToolOutcome {
    return failed(`error opening file \`${call.dir}/status\`: No such file or directory`);
  }

  private create(call: RuntimeArgv, cut: () => void): ToolOutcome {
    const { files, cgroups, processes } = this.machine;
    if (files.find(call.dir) !== undefined) return failed(`container \`${call.id}\` already exists`);
    const text = files.text(`${call.bundle}/config.json`);
    if (text === undefined) return failed('error loading config.json');
    const spec = JSON.parse(text) as OciSpec;
    const namespaces = this.namespaces(spec);
    if (typeof namespaces === 'string') return failed(namespaces);
    const program = spec.process.args[0] ?? '';
    const file = program.includes('/') ? program : `/bin/${program}`;
    files.makeDir(call.dir, 0o700);
    cut();
    const cgroup = spec.linux.cgroupsPath;
    cgroups.create(cgroup);
    cut();
    const behaviour = programBehaviour(spec.process.args);
    if (files.find(`${spec.root.path}${file}`)?.kind !== 'file' || behaviour === undefined) {
      cgroups.remove(cgroup);
      files.remove(call.dir);
      return failed(`executable file \`${program}\` not found in $PATH: No such file or directory`);
    }
    const oomScore = spec.process.oomScoreAdj ?? 0;
    const process = processes.spawn(birth(spec.process.args, behaviour, { ...namespaces, cgroup, oomScore }));
    const truth: ContainerTruth = {
      process,
      begun: false,
      exitCode: undefined,
      unwitnessed: false,
      murdered: false,
    };
    this.machine.truth.set(call.id, truth);
    void process.ended.then((exitCode) => (truth.exitCode = exitCode));
    if (call.pidFile !== undefined) files.write(call.pidFile, String(process.pid));
    files.put(`${call.dir}/exec.fifo`, {
      kind: 'fifo',
      mode: 0o600,
      mtimeMs: 0,
      unread: '',
      reader: undefined,
    });
    const { pid, startTicks } = process;
    const status: Status = { pid, startTicks, bundle: call.bundle, cgroup };
    files.write(`${call.dir}/status`, JSON.stringify(status), 0o600);
    return done;
  }

  /** What the container's first process joins or gets anew; a text where one can't be joined. */
  private namespaces(spec: OciSpec): Pick<SimProcess, 'netNs' | 'pidNs' | 'isInit'> | string {
    const { processes, net } = this.machine;
    const wanted = new Map(spec.linux.namespaces.map(({ type, path }) => [type, path ?? '']));
    for (const [type, path] of wanted) {
      const pid = /^\/proc\/(\d+)\//.exec(path)?.[1];
      const isThere = path === '' || (pid === undefined ? type !== 'network' : processes.get(Number(pid)));
      if (isThere === undefined || (isThere === false && this.machine.netNsAt(path) === undefined)) {
        return `cannot open \`${path}\`: No such file or directory`;
      }
    }
    const pidPath = wanted.get('pid');
    const joined = processes.get(Number(/^\/proc\/(\d+)\//.exec(pidPath ?? '')?.[1] ?? 0))?.pidNs;
    const netPath = wanted.get('network');
    return {
      netNs:
        netPath === undefined
          ? hostNetNs
          : netPath === ''
            ? net.newNamespace()
            : (this.machine.netNsAt(netPath) ?? hostNetNs),
      pidNs: pidPath === undefined ? hostPidNs : (joined ?? processes.newPidNs()),
      isInit: pidPath === '',
    };
  }

  private start(call: RuntimeArgv): ToolOutcome {
    const { files, clock, processes, truth } = this.machine;
    const status = this.status(call);
    if (status === undefined) return this.unknown(call);
    if (!processes.is(status) || files.find(`${call.dir}/exec.fifo`) === undefined) {
      return failed(`cannot open \`${call.dir}/exec.fifo\`: No such file or directory`);
    }
    files.remove(`${call.dir}/exec.fifo`);
    const process = processes.get(status.pid);
    const known = truth.get(call.id);
    if (known !== undefined) known.begun = true;
    const behaviour = programBehaviour(process?.argv ?? []);
    if (behaviour?.endsAfterMs !== undefined) {
      const { endsAfterMs, exitCode } = behaviour;
      clock.after(Math.max(1, endsAfterMs), () => processes.end(status, exitCode));
    }
    return done;
  }

  private remove(call: RuntimeArgv, cut: () => void): ToolOutcome {
    const { files, processes, cgroups } = this.machine;
    const status = this.status(call);
    if (status === undefined) {
      if (!call.force) return this.unknown(call);
      // Torn while it was created: the folder alone.
      files.remove(call.dir);
      return done;
    }
    const isRunning = processes.is(status) && files.find(`${call.dir}/exec.fifo`) === undefined;
    if (isRunning && !call.force) {
      return failed(`the container \`${call.id}\` is not in \`created\` or \`stopped\` state`);
    }
    processes.signal(status, 9);
    for (const process of processes.inCgroup(status.cgroup)) processes.signal(process, 9);
    cut();
    cgroups.remove(status.cgroup);
    cut();
    files.remove(call.dir);
    return done;
  }

  private state(call: RuntimeArgv): ToolOutcome {
    const status = this.status(call);
    if (status === undefined) return this.unknown(call);
    const isAlive = this.machine.processes.is(status);
    const isWaiting = this.machine.files.find(`${call.dir}/exec.fifo`) !== undefined;
    const state = {
      ociVersion: '1.0.0',
      id: call.id,
      pid: isAlive ? status.pid : 0,
      status: !isAlive ? 'stopped' : isWaiting ? 'created' : 'running',
      bundle: status.bundle,
    };
    return { ...done, stdout: `${JSON.stringify(state)}\n` };
  }

  private kill(call: RuntimeArgv): ToolOutcome {
    const status = this.status(call);
    if (status === undefined) return this.unknown(call);
    const signal = { KILL: 9, TERM: 15 }[(call.args[0] ?? 'TERM').replace(/^SIG/, '')];
    const isSent = this.machine.processes.signal(status, signal ?? Number(call.args[0]));
    return isSent ? done : failed('kill container: No such process');
  }

  private exec(call: RuntimeArgv): ToolOutcome {
    const { processes, clock, files } = this.machine;
    const status = this.status(call);
    if (status === undefined) return this.unknown(call);
    const init = processes.is(status) ? processes.get(status.pid) : undefined;
    if (init === undefined || files.find(`${call.dir}/exec.fifo`) !== undefined) {
      return failed(`the container \`${call.id}\` is not running`);
    }
    const { args, oomScoreAdj: oomScore = 0 } = JSON.parse(
      files.text(call.processFile) ?? '',
    ) as OciSpec['process'];
    const behaviour = programBehaviour(args);
    if (behaviour === undefined) {
      return failed(
        `executable file \`${args[0] ?? ''}\` not found in $PATH: No such file or directory`,
        255,
      );
    }
    const { netNs, pidNs } = init;
    const joined = { cgroup: status.cgroup, netNs, pidNs, isInit: false, oomScore };
    const process = processes.spawn(birth(args, behaviour, joined));
    const { endsAfterMs, exitCode, stdout } = behaviour;
    if (endsAfterMs !== undefined) clock.after(endsAfterMs, () => processes.end(process, exitCode));
    return { ...done, stdout, process };
  }
}

type Membership = Pick<SimProcess, 'cgroup' | 'netNs' | 'pidNs' | 'isInit' | 'oomScore'>;

function birth(argv: readonly string[], behaviour: ProgramBehaviour, membership: Membership) {
  // The kernel drops a signal that the init of a PID namespace has no handler for.
  const isDeaf = behaviour.ignoresSignals || membership.isInit;
  return {
    ...membership,
    argv: [...argv],
    onSignal: (signal: number) => (isDeaf ? undefined : 128 + signal),
  };
}
