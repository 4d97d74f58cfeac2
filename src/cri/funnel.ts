import { Metadata } from '@grpc/grpc-js';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import { toWireStatus } from './status-map.js';

export type Verb = (request: unknown, ctx: CallContext) => Promise<unknown>;
export type UnaryHandler = (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => void;

/**
 * What every known verb passes through on its way from the wire: the caller's deadline and cancellation
 * become the context's signal, and what is thrown becomes a gRPC status.
 */
export function funnel(verb: Verb, { log, clock }: { log: Log; clock: Clock }): UnaryHandler {
  return (call, answer) => {
    const gone = abortWhenGone(call, clock);
    const ctx: CallContext = { signal: gone.signal, log, phase: () => undefined };
    // A verb may also throw before its first await, so it is called inside a promise.
    new Promise((resolve) => resolve(verb(call.request, ctx))).then(
      (response) => answer(null, response),
      (thrown: unknown) => answer({ ...toWireStatus(asNodeletError(thrown)), metadata: new Metadata() }),
    );
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

/**
 * gRPC sends a deadline as the time that is left, so ours is later than the caller's by the time of the delivery. A cancellation
 * this close before it is the caller's own deadline.
 */
const deliveryMs = 100;

function abortWhenGone(call: ServerUnaryCall<unknown, unknown>, clock: Clock): AbortController {
  const controller = new AbortController();
  const deadlineMs = Number(call.getDeadline());
  // grpc-js keeps the timer: it reports a passed deadline and a hung-up caller by the same event.
  call.on('cancelled', () => {
    const nowMs = Number(clock.nowNs() / 1_000_000n);
    controller.abort(
      nowMs + deliveryMs >= deadlineMs
        ? new NodeletError('deadline', "the caller's deadline has passed")
        : new NodeletError('canceled', 'the caller has canceled the call or hung up'),
    );
  });
  return controller;
}
