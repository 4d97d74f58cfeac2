import type { ProcessIdentity } from '../../../src/ports/processes.js';
import type { PlainNode } from './file-nodes.js';

/** What a process is made of, beyond its number. */
export interface ProcessBirth {
  argv: readonly string[];
  cgroup: string;
  netNs: number;
  /** A number for each PID namespace; its first process is the init of it, and all end with that one. */
  pidNs: number;
  isInit: boolean;
  /** What a signal other than SIGKILL does: an exit code, or undefined when the program takes no notice. */
  onSignal: (signal: number) => number | undefined;
  /** oom_score_adj; 0 unless it is given. */
  oomScore?: number;
}

export interface SimProcess extends ProcessBirth, ProcessIdentity {
  ended: Promise<number>;
  alive: boolean;
  /** The file that it writes to. */
  open?: PlainNode;
}

interface Entry extends SimProcess {
  announce: (exitCode: number) => void;
}

export const hostPidNs = 0;
const firstPid = 300;
const sigkill = 9;

/**
 * Live processes. Numbers are reused as soon as they are free, the meanest a kernel can be, so that whoever
 * trusts a bare pid meets another process behind it. Zombies don't show: for every port they count as gone.
 */
export class ProcessTable {
  private readonly live = new Map<number, Entry>();
  private readonly endListeners: ((process: SimProcess) => void)[] = [];
  private ticks = 1000;
  private namespaces = hostPidNs;

  newPidNs(): number {
    return ++this.namespaces;
  }

  spawn(birth: ProcessBirth): SimProcess {
    let pid = firstPid;
    while (this.live.has(pid)) pid++;
    let announce: (exitCode: number) => void = () => undefined;
    const ended = new Promise<number>((resolve) => (announce = resolve));
    const entry: Entry = { ...birth, pid, startTicks: String(++this.ticks), ended, alive: true, announce };
    this.live.set(pid, entry);
    return entry;
  }

  get(pid: number): SimProcess | undefined {
    return this.live.get(pid);
  }

  all(): SimProcess[] {
    return [...this.live.values()];
  }

  /** False when there is no such process, or its score is another one. */
  moveOomScore(pid: number, { from, to }: { from: number; to: number }): boolean {
    const entry = this.live.get(pid);
    if (entry === undefined || (entry.oomScore ?? 0) !== from) return false;
    entry.oomScore = to;
    return true;
  }

  is({ pid, startTicks }: ProcessIdentity): boolean {
    return this.live.get(pid)?.startTicks === startTicks;
  }

  inCgroup(path: string): SimProcess[] {
    return this.all().filter(({ cgroup }) => cgroup === path || cgroup.startsWith(`${path}/`));
  }

  /** Called with each process that has ended, before those who wait for it. */
  onEnd(listener: (process: SimProcess) => void): void {
    this.endListeners.push(listener);
  }

  end(identity: ProcessIdentity, exitCode: number): void {
    const entry = this.live.get(identity.pid);
    if (entry === undefined || entry.startTicks !== identity.startTicks) return;
    this.live.delete(entry.pid);
    entry.alive = false;
    entry.announce(exitCode);
    for (const listener of this.endListeners) listener(entry);
    if (!entry.isInit) return;
    for (const other of this.all()) if (other.pidNs === entry.pidNs) this.end(other, 128 + sigkill);
  }

  /** Delivers a signal at once; false when there is no such process. */
  signal(identity: ProcessIdentity, signal: number): boolean {
    const entry = this.live.get(identity.pid);
    if (entry === undefined || entry.startTicks !== identity.startTicks) return false;
    if (signal === 0) return true;
    const exitCode = signal === sigkill ? 128 + sigkill : entry.onSignal(signal);
    if (exitCode !== undefined) this.end(entry, exitCode);
    return true;
  }
}
