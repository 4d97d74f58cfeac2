import { Metadata } from '@grpc/grpc-js';
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import type { CallContext, Log } from '../base/call-context.js';
import { abortReason } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { StreamVerb, UnaryVerb } from '../ports/cri/runtime.js';
import { toWireStatus } from './status-map.js';

export type UnaryHandler = (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => void;
export type StreamHandler = (call: ServerWritableStream<unknown, unknown>) => void;

interface FunnelParts {
  log: Log;
  clock: Clock;
}

/**
 * What every unary verb passes through on its way from the wire: the caller's deadline and cancellation
 * become the context's signal, and what is thrown becomes a gRPC status.
 */
export function funnel(verb: UnaryVerb<unknown, unknown>, { log, clock }: FunnelParts): UnaryHandler {
  return (call, answer) => {
    const { signal } = abortWhenGone(call, clock);
    const ctx: CallContext = { signal, log, phase: () => undefined };
    // A verb may also throw before its first await, so it is called inside a promise.
    new Promise((resolve) => resolve(verb(call.request, ctx))).then(
      (response) => answer(null, response),
      (thrown: unknown) => answer(wireError(thrown)),
    );
  };
}

/**
 * The same for a verb that answers a stream: a message is asked of it when the connection has taken the one before, so that
 * no more than one waits for a slow client. `stopping` ends streams that would go on for ever.
 */
export function streamFunnel(
  verb: StreamVerb<unknown, unknown>,
  { log, clock, stopping }: FunnelParts & { stopping: AbortSignal },
): StreamHandler {
  return (call) => {
    const gone = abortWhenGone(call, clock);
    const stop = (): void => gone.abort(stopping.reason);
    if (stopping.aborted) stop();
    else stopping.addEventListener('abort', stop, { once: true });
    const ctx: CallContext = { signal: gone.signal, log, phase: () => undefined };
    const pump = async () => {
      for await (const message of verb(call.request, ctx)) await written(call, message, gone.signal);
    };
    const pumped = pump();
    // The verb has begun by now. Its client may want to know, which has nothing to read until something happens.
    call.sendMetadata(new Metadata());
    pumped
      .then(
        () => call.end(),
        // A streaming handler has no callback: its status travels as the stream's error.
        (thrown: unknown) => call.emit('error', wireError(thrown)),
      )
      .finally(() => stopping.removeEventListener('abort', stop));
  };
}

/** Resolves when the message has left for the client; a client that is gone takes nothing and calls nothing back. */
function written(
  call: ServerWritableStream<unknown, unknown>,
  message: unknown,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(abortReason(signal));
    if (signal.aborted) {
      leave();
      return;
    }
    signal.addEventListener('abort', leave, { once: true });
    call.write(message, () => {
      signal.removeEventListener('abort', leave);
      resolve();
    });
  });
}

const wireError = (thrown: unknown) => ({
  ...toWireStatus(asNodeletError(thrown)),
  metadata: new Metadata(),
});

/**
 * gRPC sends a deadline as the time that is left, so ours is later than the caller's by the time of the delivery. A cancellation
 * this close before it is the caller's own deadline.
 */
const deliveryMs = 100;

function abortWhenGone(
  call: ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>,
  clock: Clock,
): AbortController {
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
