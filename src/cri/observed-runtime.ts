import { status } from '@grpc/grpc-js';
import type { CallContext, Log } from '../base/call-context.js';
import type { NodeletError } from '../base/errors.js';
import { asNodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { CriRuntime } from '../ports/cri/runtime.js';
import type { CriMetrics } from '../telemetry/metrics.js';
import { codeOfKind } from './status-map.js';

export interface ObservedParts {
  log: Log;
  metrics: CriMetrics;
  clock: Pick<Clock, 'monotonicMs'>;
}

type Verb = (request: unknown, ctx: CallContext) => Promise<unknown>;

/** Verbs that clients poll: their success is worth a debug line only. */
const polled = /^(Version|Status|RuntimeConfig|List.*|.*Status|ImageFsInfo)$/;

/**
 * The same runtime, with every call logged, counted and timed by phases. Both ways in use it, the gRPC server
 * and the agent of this process, so that a pod from a manifest shows in the metrics like a kubelet's.
 */
export function observedRuntime({ runtime, images }: CriRuntime, parts: ObservedParts): CriRuntime {
  return { runtime: observedVerbs(runtime, parts), images: observedVerbs(images, parts) };
}

function observedVerbs<Verbs extends object>(verbs: Verbs, parts: ObservedParts): Verbs {
  const entries = Object.entries(verbs) as [string, Verb][];
  return Object.fromEntries(entries.map(([name, verb]) => [name, observed(name, verb, parts)])) as Verbs;
}

function observed(operation: string, verb: Verb, { log, metrics, clock }: ObservedParts): Verb {
  return async (request, caller) => {
    const startedMs = clock.monotonicMs();
    const phases = new Phases(clock);
    const callLog = log.child({ operation });
    const ctx: CallContext = { signal: caller.signal, log: callLog, phase: (name) => phases.begin(name) };
    const settle = (code: status) => {
      const durationMs = clock.monotonicMs() - startedMs;
      metrics.criOperation({ operation, code: status[code], durationMs });
      const phasesMs = phases.end();
      return { durationMs: round(durationMs), code: status[code], ...(phasesMs && { phasesMs }) };
    };
    try {
      const response = await verb(request, ctx);
      const fields = settle(status.OK);
      if (polled.test(operation)) callLog.debug(fields, 'call answered');
      else callLog.info(fields, 'call answered');
      return response;
    } catch (thrown) {
      // Whatever a room threw because of the abort, the caller's own reason is the true one.
      const error = asNodeletError(caller.signal.aborted ? caller.signal.reason : thrown);
      const fields = { ...settle(codeOfKind[error.kind]), error: error.describe() };
      if (error.kind === 'bug') callLog.error({ ...fields, stack: stackOf(error) }, 'call failed by a bug');
      else if (error.kind === 'not-found' && polled.test(operation)) callLog.debug(fields, 'call failed');
      else callLog.warn(fields, 'call failed');
      throw error;
    }
  };
}

class Phases {
  private readonly doneMs: Record<string, number> = {};
  private current: { name: string; sinceMs: number } | undefined;

  constructor(private readonly clock: Pick<Clock, 'monotonicMs'>) {}

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

const round = (ms: number): number => Math.round(ms * 100) / 100;

function stackOf(error: NodeletError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}
