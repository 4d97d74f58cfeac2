import type { NodeletError } from '../base/errors.js';

/**
 * Durable records. A put or remove that has resolved survives SIGKILL; moments later, or when `flushed` resolves, it
 * survives power loss as well. Values are plain JSON data (no undefined inside arrays, no class instances);
 * `get` returns a copy the caller may change. While the disk can't take the records, changes fail with `exhausted`.
 */
export interface RecordTable<T> {
  get(key: string): T | undefined;
  put(key: string, value: T): Promise<void>;
  remove(key: string): Promise<void>;
  entries(): [key: string, value: T][];
}

export interface RecordStore {
  /** The table of that name, made at first use. One room owns each table. */
  table<T>(name: string): RecordTable<T>;
  /** Resolves when everything put so far survives power loss: awaited where a promise is to outlive the boot. */
  flushed(): Promise<void>;
  /** Why changes are refused at the moment, after another try; undefined while they are taken. */
  refusal(): Promise<NodeletError | undefined>;
  close(): Promise<void>;
}
