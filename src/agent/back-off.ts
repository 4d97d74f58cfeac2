/**
 * Delays in the kubelet's steps: 10 s doubling to 300 s, forgotten after 600 s without a failure. Kept in the pod's
 * durable record, so that restarting the daemon restarts nothing else.
 */
const firstDelayMs = 10_000;
const maxDelayMs = 300_000;

/** What has failed before in one step of a pod. */
export interface RetryState {
  delayMs: number;
  /** Wall-clock milliseconds: of the failure, or for a crashing container of its last restart. */
  atMs: number;
  /** Why, as the container's waiting state shows it; empty for a crash. */
  reason: string;
  message: string;
}

function grown(before: RetryState | undefined, failedMs: number): number {
  if (before === undefined || failedMs - before.atMs > 2 * maxDelayMs) return firstDelayMs;
  return Math.min(before.delayMs * 2, maxDelayMs);
}

/** State after a step that has failed just now: it may be tried again at `atMs + delayMs`. */
export function afterFailure(
  before: RetryState | undefined,
  failure: { nowMs: number; reason: string; message: string },
): RetryState {
  const { nowMs, reason, message } = failure;
  return { delayMs: grown(before, nowMs), atMs: nowMs, reason, message };
}

/** When a container that ended at `endedMs` may run again: at once the first time, then after the delay. */
export function restartDueMs(before: RetryState | undefined, endedMs: number): number {
  return before === undefined || endedMs - before.atMs > 2 * maxDelayMs ? endedMs : endedMs + before.delayMs;
}

/** State after a container's restart at `nowMs`: the delay that its next end will meet. */
export function afterRestart(
  before: RetryState | undefined,
  { endedMs, nowMs }: { endedMs: number; nowMs: number },
): RetryState {
  return { delayMs: grown(before, endedMs), atMs: nowMs, reason: '', message: '' };
}
