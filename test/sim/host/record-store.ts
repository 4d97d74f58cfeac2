import type { RecordStore, RecordTable } from '../../../src/ports/record-store.js';
import type { Session } from './session.js';

/** Records on the machine's disk: what has resolved is there for the next session, what has not may be. */
export function simRecordStore(session: Session): RecordStore {
  const { tables } = session.machine;
  return {
    table: <T>(name: string): RecordTable<T> => {
      const rows = tables.get(name) ?? new Map<string, string>();
      tables.set(name, rows);
      return {
        get: (key) => {
          const text = rows.get(key);
          return text === undefined ? undefined : (JSON.parse(text) as T);
        },
        put: (key, value) => {
          // As it is now: what the caller does to it later is not in the record.
          const text = JSON.stringify(value);
          return session.effect(`store.put ${name}`, key, () => void rows.set(key, text));
        },
        remove: (key) => session.effect(`store.remove ${name}`, key, () => void rows.delete(key)),
        entries: () => [...rows].map(([key, text]) => [key, JSON.parse(text) as T]),
      };
    },
    flushed: async () => undefined,
    refusal: async () => undefined,
    close: async () => undefined,
  };
}
