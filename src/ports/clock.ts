/** Time. The only source of it: production reads the kernel's clocks, the simulation a virtual one. */
export interface Clock {
  /** Wall clock, nanoseconds since the Unix epoch (CRI timestamps). */
  nowNs(): bigint;
  /** Monotonic milliseconds, for durations only. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fire` once after `ms`; the returned function cancels. */
  after(ms: number, fire: () => void): () => void;
}
