import type { CallContext } from '../base/call-context.js';
import { backgroundContext } from '../base/call-context.js';
import type { NodeletError } from '../base/errors.js';
import { isKind } from '../base/errors.js';
import type { AgentParts } from './agent-config.js';
import type { RetryState } from './back-off.js';
import { afterFailure } from './back-off.js';
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
  readonly ctx: CallContext;
  private readonly watchers = new Set<() => void>();

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
    this.tell();
  }

  /** Calls `changed` whenever the view or the record may have changed; returns the stop function. */
  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  /** Tells the watchers, also of what was done to the pod from outside. */
  tell(): void {
    for (const changed of this.watchers) changed();
  }

  async change(changed: Partial<DesiredPod>): Promise<void> {
    this.record = { ...this.record, ...changed };
    await this.save(this.record);
    this.tell();
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

  /**
   * The next attempt number of a container, or of the sandbox under the empty name; durable before it is used, in one
   * step with what its restart changes in `retries`.
   */
  async nextAttempt(name: string, retries: Record<string, RetryState> = {}): Promise<number> {
    const attempt = this.record.attempts[name] ?? 0;
    await this.change({
      attempts: { ...this.record.attempts, [name]: attempt + 1 },
      retries: { ...this.record.retries, ...retries },
    });
    return attempt;
  }

  /** What keeps a step that has failed from being tried again now, if anything; a pass is asked for when it may be. */
  heldBy(step: string): RetryState | undefined {
    const failure = this.record.retries[step];
    if (failure === undefined || failure.atMs + failure.delayMs <= this.nowMs()) return undefined;
    this.wake(failure.atMs + failure.delayMs);
    return failure;
  }

  /** A step has failed: it waits, the first time too, since nothing tells that it would do better at once. */
  async hold(
    step: string,
    error: NodeletError,
    { reason, event, container }: { reason: string; event: string; container?: string },
  ): Promise<void> {
    const message = error.describe();
    const failure = afterFailure(this.record.retries[step], { nowMs: this.nowMs(), reason, message });
    this.wake(failure.atMs + failure.delayMs);
    this.event({
      reason: event,
      message,
      type: 'Warning',
      ...(container === undefined ? {} : { container }),
    });
    await this.change({ retries: { ...this.record.retries, [step]: failure } });
  }

  /** The step has worked: what failed before no longer counts. */
  async succeeded(step: string): Promise<void> {
    const { [step]: failure, ...retries } = this.record.retries;
    if (failure !== undefined) await this.change({ retries });
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
