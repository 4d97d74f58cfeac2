import { open } from 'lmdb';
import type { RecordStore, RecordTable } from '../ports/record-store.js';

/** Records in LMDB: a put resolves after its transaction is on the disk. Values are kept as JSON. */
export function createRecordStore(path: string): RecordStore {
  const root = open({ path, encoding: 'json', maxDbs: 64 });
  return {
    table: <T>(name: string): RecordTable<T> => {
      const db = root.openDB<T, string>({ name, encoding: 'json' });
      return {
        get: (key) => db.get(key),
        put: async (key, value) => {
          await db.put(key, value);
          await db.flushed;
        },
        remove: async (key) => {
          await db.remove(key);
          await db.flushed;
        },
        entries: () => [...db.getRange()].map(({ key, value }) => [key, value]),
      };
    },
    close: () => root.close(),
  };
}
