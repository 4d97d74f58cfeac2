import type { CallContext } from '../base/call-context.js';
import { backgroundContext } from '../base/call-context.js';
import type { NodeletError } from '../base/errors.js';
import { isKind } from '../base/errors.js';
import type { AgentParts } from './agent-config.js';
import { BackOff } from './back-off.js';
import type { DesiredPod } from './desired-pod.js';
import type { EventLog, NewEvent } from './event-log.js';
import type { PodView } from './runtime-view.js';
import { emptyView, viewPod } from './runtime-view.js';

/** What the steps of one pod share: its record, what the runtime has of it, and what it waits for. */
export class PodWork {
  view: PodView = emptyView;
  readonly waiting = new Map<string, { reason: string; message?: string }>();
  /** Wall-clock milliseconds at which a further pass is due by itself. */
  dueMs: number | undefined;
  readonly backOff = new BackOff();
  readonly ctx: CallContext;
  private readonly failures = new Map<string, number>();

  constructor(
    readonly parts: AgentParts,
    private readonly events: EventLog,
    public record: DesiredPod,
    private readonly save: (record: DesiredPod) => Promise<void>,
    signal: AbortSignal,
  ) {
    const { name, namespace } = record.pod.metadata;
    this.ctx = backgroundContext(parts.log.child({ pod: `${namespace}/${name}`, uid: record.uid }), signal);
  }

  /** Reads the runtime afresh. */
  async look(): Promise<void> {
    this.view = await viewPod(this.parts.cri, this.record.uid, this.ctx);
  }

  async change(changed: Partial<DesiredPod>): Promise<void> {
    this.record = { ...this.record, ...changed };
    await this.save(this.record);
  }

  event(event: NewEvent): void {
    this.events.add(this.record, event);
    const fields = { reason: event.reason, container: event.container };
    if (event.type === 'Warning') this.ctx.log.warn(fields, event.message);
    else this.ctx.log.info(fields, event.message);
  }

  nowMs(): number {
    return Number(this.parts.clock.nowNs() / 1_000_000n);
  }

  /** Asks for a pass at that time, unless one is due before. */
  wake(atMs: number): void {
    this.dueMs = Math.min(this.dueMs ?? Infinity, atMs);
  }

  /** The next attempt number of a container, or of the sandbox under the empty name; durable before it is used. */
  async nextAttempt(name: string): Promise<number> {
    const attempt = this.record.attempts[name] ?? 0;
    await this.change({ attempts: { ...this.record.attempts, [name]: attempt + 1 } });
    return attempt;
  }

  /** Until when a step that failed must not be tried again. */
  heldUntil(key: string): number | undefined {
    const failedMs = this.failures.get(key);
    return failedMs === undefined ? undefined : this.backOff.retryAt(key, { failedMs, nowMs: this.nowMs() });
  }

  hold(key: string, error: NodeletError, reason: string, container?: string): void {
    const nowMs = this.nowMs();
    this.failures.set(key, nowMs);
    // The first retry waits for the shortest delay too: nothing tells that a failed call would do better at once.
    this.backOff.retryAt(key, { failedMs: nowMs, nowMs });
    this.wake(nowMs + this.backOff.delaySeconds(key) * 1000);
    this.event({
      reason,
      message: error.describe(),
      type: 'Warning',
      ...(container === undefined ? {} : { container }),
    });
  }

  /** The step has worked: what failed before no longer counts. */
  succeeded(key: string): void {
    this.failures.delete(key);
  }
}

/** What is gone already needs no stopping and no removing. */
export async function orGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (thrown) {
    if (!isKind(thrown, 'not-found')) throw thrown;
  }
}
