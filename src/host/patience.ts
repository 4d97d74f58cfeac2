import { NodeletError } from '../base/errors.js';

/** How long somebody is ready to wait for a process. */
export interface Patience {
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Why the caller no longer waits. */
function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new NodeletError('canceled', 'the caller has gone away');
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw reasonOf(signal);
}

/** Calls back once, when the time is over (`deadline`) or the caller has gone; returns what cancels. */
export function whenOver(
  program: string,
  { timeoutMs, signal }: Patience,
  over: (reason: Error) => void,
): () => void {
  const aborted = () => {
    cancel();
    if (signal !== undefined) over(reasonOf(signal));
  };
  const late = () => {
    cancel();
    over(new NodeletError('deadline', `${program} took longer than ${timeoutMs} ms`));
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
  const cancel = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', aborted);
  };
  // It may have been aborted while something was awaited and nobody listened.
  if (signal?.aborted === true) aborted();
  else signal?.addEventListener('abort', aborted, { once: true });
  return cancel;
}
