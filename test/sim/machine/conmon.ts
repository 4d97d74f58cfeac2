import { parentOf } from './file-nodes.js';
import type { ContainerTruth, SimMachine, ToolCall, ToolOutcome } from './machine.js';
import { hostNetNs } from './net-stack.js';
import type { OciRuntimeModel } from './oci-runtime.js';
import type { SimProcess } from './process-table.js';
import { hostPidNs } from './process-table.js';

/** The cgroup in which an agent, and what it starts, begins. */
export const agentCgroup = '/system';

/**
 * conmon: starts the OCI runtime's create, reports the pid, waits for the container's end and writes its exit
 * file, some milliseconds after that end and whether or not anyone still wants it.
 */
export class ConmonModel {
  constructor(
    private readonly machine: SimMachine,
    private readonly runtime: OciRuntimeModel,
  ) {}

  start({ argv, cut }: ToolCall): { report: string; stderr: string } {
    const { files, processes, truth } = this.machine;
    const option = (name: string): string => {
      const at = argv.indexOf(name);
      if (at < 0) throw new Error(`conmon's model needs ${name}`);
      return argv[at + 1] ?? '';
    };
    const [id, bundle, pidFile, exitDir] = ['-c', '-b', '-p', '--exit-dir'].map(option) as [
      string,
      string,
      string,
      string,
    ];
    const monitor = processes.spawn({
      argv: [...argv],
      cgroup: agentCgroup,
      netNs: hostNetNs,
      pidNs: hostPidNs,
      isInit: false,
      onSignal: (signal) => 128 + signal,
    });
    files.write(option('-P'), String(monitor.pid));
    this.openLog(monitor, bundle, option('-l'));
    const runtimeArgs = argv.flatMap((arg, index) => (argv[index - 1] === '--runtime-arg' ? [arg] : []));
    const create = ['create', '--bundle', bundle, '--pid-file', pidFile, id];
    let created: ToolOutcome;
    try {
      cut();
      created = this.runtime.run({ argv: [option('-r'), ...runtimeArgs, ...create], cut });
    } catch (torn) {
      // Killed together with its runtime, as when a service manager ends the agent's whole cgroup.
      processes.end(monitor, 137);
      throw torn;
    }
    const known = truth.get(id);
    if (created.exitCode !== 0 || known === undefined) {
      processes.end(monitor, 1);
      return { report: JSON.stringify({ data: -1, message: created.stderr }), stderr: '' };
    }
    const exitFiles = [`${option('--persist-dir')}/exit`, `${exitDir}/${id}`];
    void known.process.ended.then(() => this.reap(monitor, known, exitFiles));
    return { report: JSON.stringify({ data: known.process.pid }), stderr: '' };
  }

  /** Opens the log, and the control pipe of the bundle, which makes it open its log anew. */
  private openLog(monitor: SimProcess, bundle: string, log: string): void {
    const { files, clock } = this.machine;
    const path = log.startsWith('k8s-file:') ? log.slice('k8s-file:'.length) : undefined;
    const open = (name: string) => {
      const node = files.find(name);
      if (node?.kind === 'file') monitor.open = node;
    };
    if (path !== undefined) {
      if (files.find(path) === undefined) files.write(path, '', 0o600);
      open(path);
    }
    const reader = (commands: string) => {
      for (const command of commands.split('\n').slice(0, -1)) {
        if (path === undefined || !command.startsWith('2 ')) continue;
        if (files.find(parentOf(path)) === undefined) return this.machine.processes.end(monitor, 1);
        files.write(`${path}.tmp`, '', 0o600);
        open(`${path}.tmp`);
        files.move(`${path}.tmp`, path);
      }
    };
    files.put(`${bundle}/ctl`, {
      kind: 'fifo',
      mode: 0o666,
      mtimeMs: clock.monotonicMs(),
      unread: '',
      reader,
    });
  }

  private reap(monitor: SimProcess, known: ContainerTruth, exitFiles: string[]): void {
    const { clock, processes, files } = this.machine;
    clock.after(this.machine.someMs(), () => {
      known.unwitnessed = !monitor.alive;
      if (!monitor.alive) return;
      for (const file of exitFiles) {
        if (files.find(parentOf(file)) === undefined) continue;
        const temporary = `${file}.${monitor.pid}`;
        files.write(temporary, String(known.exitCode));
        files.remove(temporary);
        files.write(file, String(known.exitCode));
      }
      clock.after(this.machine.someMs(), () => processes.end(monitor, 0));
    });
  }
}
