import type { CallContext } from '../../base/call-context.js';
import { throwIfGone } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import type { ContainerId, SandboxId } from '../../base/ids.js';
import { SharedFlights } from '../../base/shared-flight.js';
import type { ContainerRecord } from '../../state/records.js';
import { settleExit } from './exits.js';
import type { Pods } from '../pods.js';
import { StopPatience } from './stop-patience.js';

const sigkill = 9;
/** A killed process is gone at once; one that isn't by then may be frozen, and is looked at more closely. */
const promptMs = 500;
const killPatienceMs = 10_000;

/** Ends running containers: by asking first, or at once. */
export class ContainerStops {
  private readonly flights = new SharedFlights<ContainerId, void>();
  private readonly patience = new Map<ContainerId, StopPatience>();

  constructor(private readonly pods: Pods) {}

  /**
   * Stop signal, up to `timeoutMs` of patience (0: none, and no signal), then SIGKILL. Not running is success. A call
   * during another joins it, and shortens its patience where it has less. When the last caller goes away, the waiting
   * ends without a SIGKILL: the container has had its signal, and may still end by itself.
   */
  async stop(id: ContainerId, timeoutMs: number, ctx: Pick<CallContext, 'signal'>): Promise<void> {
    this.patience.get(id)?.shorten(timeoutMs);
    await this.flights.join(id, ctx.signal, async (signal) => {
      const patience = new StopPatience(this.pods.parts.host, timeoutMs);
      this.patience.set(id, patience);
      await this.end(id, patience, signal).finally(() => this.patience.delete(id));
    });
  }

  private async end(id: ContainerId, patience: StopPatience, signal: AbortSignal): Promise<void> {
    const sandboxId = this.pods.ledger.container(id)?.sandboxId;
    if (sandboxId === undefined) return;
    // A start in flight comes first: its container would otherwise run on after this call.
    await this.pods.queue.run(sandboxId, async () => undefined);
    const record = this.pods.ledger.container(id);
    if (record?.stage !== 'running' || record.process === undefined) return;
    throwIfGone({ signal });
    if (!(await this.endsWhenAsked(record, patience, signal))) await this.kill(record);
    await this.pods.queue.run(sandboxId, () => settleExit(this.pods, id));
  }

  private async endsWhenAsked(
    { process, stopSignal, cgroupPath }: ContainerRecord,
    patience: StopPatience,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { processes, cgroups } = this.pods.parts.host;
    if (process === undefined || patience.isOver() || !processes.kill(process, stopSignal)) return false;
    // One that somebody has frozen would not hear the signal.
    await cgroups.thaw(cgroupPath);
    return patience.awaitEnd(process, signal);
  }

  /** Ends every container of a sandbox at once; called inside the pod's queue. */
  async killAll(sandboxId: SandboxId): Promise<void> {
    const running = this.pods.ledger.containersOf(sandboxId).filter((record) => record.stage === 'running');
    await Promise.all(running.map((record) => this.kill(record)));
    for (const record of running) await settleExit(this.pods, record.id);
  }

  /** Ends process 1. What else is in the container's cgroup ends with it, or when the end is recorded. */
  async kill({ id, process, cgroupPath }: ContainerRecord): Promise<void> {
    const { processes, cgroups } = this.pods.parts.host;
    if (process === undefined || !processes.kill(process, sigkill)) return;
    this.pods.killed.add(id);
    if (await processes.waitGone(process, promptMs)) return;
    await cgroups.kill(cgroupPath, killPatienceMs);
    if (await processes.waitGone(process, promptMs)) return;
    throw new NodeletError('tool-failed', `process ${process.pid} does not end after SIGKILL`, {
      remedy: 'look for it in state D (uninterruptible I/O): a hanging disk or network mount',
    });
  }
}
