import { status } from '@grpc/grpc-js';
import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { CriMetrics } from '../telemetry/metrics.js';
import { codeOfKind } from './status-map.js';

export interface ObservedParts {
  log: Log;
  metrics: CriMetrics;
  clock: Pick<Clock, 'monotonicMs'>;
}

/** Verbs that clients poll: their success is worth a debug line only. */
const polled = /^(Version|Status|RuntimeConfig|List.*|Stream.*|.*Stat(u?)s|ImageFsInfo)$/;

/** One call from its arrival to its end, which is logged, counted and timed once. */
export class ObservedCall {
  /** What the verb gets: the caller's signal, with a log and phases of this call. */
  readonly ctx: CallContext;
  private readonly startedMs: number;
  private readonly phases: Phases;

  constructor(
    private readonly operation: string,
    private readonly caller: CallContext,
    private readonly parts: ObservedParts,
  ) {
    this.startedMs = parts.clock.monotonicMs();
    this.phases = new Phases(parts.clock);
    const log = parts.log.child({ operation });
    this.ctx = { signal: caller.signal, log, phase: (name) => this.phases.begin(name) };
  }

  succeed(): void {
    const fields = this.settle(status.OK);
    if (polled.test(this.operation)) this.ctx.log.debug(fields, 'call answered');
    else this.ctx.log.info(fields, 'call answered');
  }

  /** Gives back what the caller is told. */
  fail(thrown: unknown): NodeletError {
    // Whatever a room threw because of the abort, the caller's own reason is the true one.
    const { signal } = this.caller;
    const error = withPhase(asNodeletError(signal.aborted ? signal.reason : thrown), this.phases.name);
    const { log } = this.ctx;
    const fields = { ...this.settle(codeOfKind[error.kind]), error: error.describe() };
    if (error.kind === 'bug') log.error({ ...fields, stack: stackOf(error) }, 'call failed by a bug');
    else if (error.kind === 'not-found' && polled.test(this.operation)) log.debug(fields, 'call failed');
    else log.warn(fields, 'call failed');
    return error;
  }

  private settle(code: status) {
    const durationMs = this.parts.clock.monotonicMs() - this.startedMs;
    this.parts.metrics.criOperation({ operation: this.operation, code: status[code], durationMs });
    const phasesMs = this.phases.end();
    return { durationMs: round(durationMs), code: status[code], ...(phasesMs && { phasesMs }) };
  }
}

class Phases {
  private readonly doneMs: Record<string, number> = {};
  private current: { name: string; sinceMs: number } | undefined;

  constructor(private readonly clock: Pick<Clock, 'monotonicMs'>) {}

  /** Of the phase under way. */
  get name(): string | undefined {
    return this.current?.name;
  }

  begin(name: string): void {
    this.end();
    this.current = { name, sinceMs: this.clock.monotonicMs() };
  }

  /** Milliseconds by phase; undefined when the verb named none. */
  end(): Record<string, number> | undefined {
    if (this.current !== undefined) {
      const { name, sinceMs } = this.current;
      this.doneMs[name] = round((this.doneMs[name] ?? 0) + this.clock.monotonicMs() - sinceMs);
      this.current = undefined;
    }
    return Object.keys(this.doneMs).length === 0 ? undefined : this.doneMs;
  }
}

/** Whoever has waited too long wants to know for what; a retry that joins the same attempt is told the same way. */
function withPhase(error: NodeletError, phase: string | undefined): NodeletError {
  if (error.kind !== 'deadline' || phase === undefined) return error;
  const { field, remedy, cause } = error;
  return new NodeletError(error.kind, `${error.message}, in the phase "${phase}"`, {
    cause,
    ...(field !== undefined && { field }),
    ...(remedy !== undefined && { remedy }),
  });
}

const round = (ms: number): number => Math.round(ms * 100) / 100;

function stackOf(error: NodeletError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}
