import { NodeletError } from './errors.js';

/** A structured logger, pino's calling convention: fields first, then the message. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Log;
}

/** A log that drops everything, for tests and for wiring that has none. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** What one request carries through all rooms: who is waiting, until when, and where to tell. */
export interface CallContext {
  /** Aborted when the caller has gone or its deadline has passed. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Marks that a named phase (e.g. `network`, `oci-create`) begins; ends the phase before it. */
  phase(name: string): void;
}

/** A context without a caller: background work and tests. */
export function backgroundContext(log: Log = silentLog, signal?: AbortSignal): CallContext {
  return { signal: signal ?? new AbortController().signal, log, phase: () => undefined };
}

/** Why a signal was aborted, as an error with a kind: the caller's deadline, or that it has gone away. */
export function abortReason(signal: AbortSignal): NodeletError {
  const reason: unknown = signal.reason;
  if (reason instanceof NodeletError) return reason;
  return new NodeletError('canceled', 'the caller has gone away', { cause: reason });
}

/** Throws `deadline` or `canceled` when the caller of `ctx` is gone: called before each expensive step. */
export function throwIfGone({ signal }: Pick<CallContext, 'signal'>): void {
  if (signal.aborted) throw abortReason(signal);
}
