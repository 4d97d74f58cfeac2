/** Delays in the kubelet's steps: the first retry at once, then 10 s doubling to 300 s; 600 s of quiet forget all. */
const firstDelayMs = 10_000;
const maxDelayMs = 300_000;

interface Entry {
  delayMs: number;
  /** Wall-clock milliseconds of the last retry let through. */
  lastMs: number;
}

export class BackOff {
  private readonly entries = new Map<string, Entry>();

  /**
   * Whether `key`, which failed at `failedMs`, may be tried again at `nowMs`: undefined for yes (and counted), else
   * the time to wait for, in wall-clock milliseconds.
   */
  retryAt(key: string, { failedMs, nowMs }: { failedMs: number; nowMs: number }): number | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || failedMs - entry.lastMs > 2 * maxDelayMs) {
      this.entries.set(key, { delayMs: firstDelayMs, lastMs: nowMs });
      return undefined;
    }
    if (nowMs < failedMs + entry.delayMs) return failedMs + entry.delayMs;
    this.entries.set(key, { delayMs: Math.min(entry.delayMs * 2, maxDelayMs), lastMs: nowMs });
    return undefined;
  }

  /** Current delay in seconds, for messages. */
  delaySeconds(key: string): number {
    return (this.entries.get(key)?.delayMs ?? 0) / 1000;
  }

  /** Forgets everything of keys that start with `prefix`. */
  forget(prefix: string): void {
    for (const key of this.entries.keys()) if (key.startsWith(prefix)) this.entries.delete(key);
  }
}
