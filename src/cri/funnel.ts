import { Metadata, status } from '@grpc/grpc-js';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { CriMetrics } from '../telemetry/metrics.js';
import { toWireStatus } from './status-map.js';

export type Verb = (request: unknown, ctx: CallContext) => Promise<unknown>;
export type UnaryHandler = (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => void;

export interface FunnelParts {
  log: Log;
  metrics: CriMetrics;
  clock: Clock;
}

/** Verbs that kubelet polls: their success is worth a debug line only. */
const polled = /^(Version|Status|RuntimeConfig|List.*|.*Status|ImageFsInfo)$/;

/**
 * What every known verb passes through: the caller's deadline and cancellation become the context's signal,
 * phases and duration are measured, and the outcome is logged, counted and mapped to a gRPC status.
 */
export function funnel(operation: string, verb: Verb, { log, metrics, clock }: FunnelParts): UnaryHandler {
  return (call, answer) => {
    const startedMs = clock.monotonicMs();
    const gone = abortWhenGone(call, clock);
    const phases = new Phases(clock);
    const callLog = log.child({ operation });
    const ctx: CallContext = {
      signal: gone.signal,
      log: callLog,
      phase: (name) => phases.begin(name),
    };
    const settle = (
      code: status,
    ): { durationMs: number; code: string; phasesMs?: Record<string, number> } => {
      const durationMs = clock.monotonicMs() - startedMs;
      metrics.criOperation({ operation, code: status[code], durationMs });
      const phasesMs = phases.end();
      return { durationMs: round(durationMs), code: status[code], ...(phasesMs && { phasesMs }) };
    };
    const failed = (thrown: unknown): void => {
      // Whatever a room threw because of the abort, the caller's own reason is the true one.
      const error = gone.signal.aborted ? asNodeletError(gone.signal.reason) : asNodeletError(thrown);
      const wire = toWireStatus(error);
      const fields = { ...settle(wire.code), error: wire.details };
      if (error.kind === 'bug') callLog.error({ ...fields, stack: stackOf(error) }, 'call failed by a bug');
      else if (error.kind === 'not-found' && polled.test(operation)) callLog.debug(fields, 'call failed');
      else callLog.warn(fields, 'call failed');
      answer({ ...wire, metadata: new Metadata() });
    };
    // A verb may also throw before its first await, so it is called inside a promise.
    new Promise((resolve) => resolve(verb(call.request, ctx))).then((response) => {
      const fields = settle(status.OK);
      if (polled.test(operation)) callLog.debug(fields, 'call answered');
      else callLog.info(fields, 'call answered');
      answer(null, response);
    }, failed);
  };
}

/** The answer to an rpc that nodelet doesn't have. */
export function unimplemented(service: string, rpc: string, log: Log): (...args: unknown[]) => void {
  const error = new NodeletError('unsupported', `runtime.v1.${service}/${rpc} is not implemented by nodelet`);
  return (call, answer) => {
    log.debug({ operation: rpc, code: 'UNIMPLEMENTED' }, 'call refused');
    const reply = { ...toWireStatus(error), metadata: new Metadata() };
    // A streaming handler has no callback: its status travels as the stream's error.
    if (typeof answer === 'function') (answer as sendUnaryData<unknown>)(reply);
    else (call as NodeJS.EventEmitter).emit('error', reply);
  };
}

/** Clocks may differ by a timer tick: a cancellation this close to the deadline is the deadline's. */
const tickMs = 2;

function abortWhenGone(call: ServerUnaryCall<unknown, unknown>, clock: Clock): AbortController {
  const controller = new AbortController();
  const deadlineMs = Number(call.getDeadline());
  // grpc-js keeps the timer: it reports a passed deadline and a hung-up caller by the same event.
  call.on('cancelled', () => {
    const nowMs = Number(clock.nowNs() / 1_000_000n);
    controller.abort(
      nowMs + tickMs >= deadlineMs
        ? new NodeletError('deadline', "the caller's deadline has passed")
        : new NodeletError('canceled', 'the caller has canceled the call or hung up'),
    );
  });
  return controller;
}

class Phases {
  private readonly doneMs: Record<string, number> = {};
  private current: { name: string; sinceMs: number } | undefined;

  constructor(private readonly clock: Clock) {}

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
