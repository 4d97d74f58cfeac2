import { backgroundContext } from '../base/call-context.js';
import { asNodeletError } from '../base/errors.js';
import type { AgentParts } from './agent-config.js';
import type { EventLog } from './event-log.js';
import type { PodReconciler } from './pod-reconciler.js';
import type { PodSet } from './pod-set.js';
import { fingerprints } from './runtime-view.js';

const retryAfterBugMs = 5000;

/**
 * When pods get their passes: after a change of what is desired (kick), when the runtime's state of a pod looks
 * different from before (poll), and when a pass has asked for the next one (dueMs).
 */
export class PodLoop {
  private readonly timers = new Map<string, () => void>();
  private readonly queued = new Set<string>();
  private seen = new Map<string, string>();

  constructor(
    private readonly parts: AgentParts,
    private readonly pods: PodSet,
    private readonly events: EventLog,
    private readonly signal: AbortSignal,
    /** Called when a pod has gone for good. */
    private readonly gone: (pod: PodReconciler) => void,
  ) {}

  /** A pass soon; one that waits already is enough. */
  kick(uid: string): void {
    if (this.queued.has(uid) || this.signal.aborted) return;
    this.queued.add(uid);
    void this.pods.queue.run(uid, async () => {
      this.queued.delete(uid);
      const reconciler = this.pods.get(uid);
      if (reconciler === undefined || this.signal.aborted) return;
      this.timers.get(uid)?.();
      this.timers.delete(uid);
      await this.pass(reconciler);
    });
  }

  /** Looks at the runtime once and kicks the pods that have changed there. */
  async poll(): Promise<void> {
    const found = await fingerprints(this.parts.cri, backgroundContext(this.parts.log, this.signal));
    for (const { record } of this.pods.all())
      if (found.get(record.uid) !== this.seen.get(record.uid)) this.kick(record.uid);
    this.seen = found;
  }

  stop(): void {
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
  }

  private async pass(reconciler: PodReconciler): Promise<void> {
    const { uid } = reconciler.record;
    try {
      if ((await reconciler.pass()) === 'gone') {
        await this.pods.forget(uid);
        this.gone(reconciler);
        return;
      }
    } catch (thrown) {
      if (this.signal.aborted) return;
      const error = asNodeletError(thrown);
      this.parts.log.error({ uid, err: error }, 'pod could not be reconciled');
      this.events.add(reconciler.record, {
        reason: 'FailedSync',
        message: error.describe(),
        type: 'Warning',
      });
      reconciler.dueMs ??= this.nowMs() + retryAfterBugMs;
    }
    if (reconciler.dueMs === undefined || this.signal.aborted) return;
    const waitMs = Math.max(1, reconciler.dueMs - this.nowMs());
    this.timers.set(
      uid,
      this.parts.clock.after(waitMs, () => this.kick(uid)),
    );
  }

  private nowMs(): number {
    return Number(this.parts.clock.nowNs() / 1_000_000n);
  }
}
