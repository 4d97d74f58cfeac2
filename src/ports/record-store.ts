/**
 * Durable records. A put that has resolved survives SIGKILL and power loss. Values are plain JSON data
 * (no undefined inside arrays, no class instances); `get` returns a copy the caller may change.
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
  close(): Promise<void>;
}
