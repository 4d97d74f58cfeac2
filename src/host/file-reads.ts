import { open } from 'node:fs/promises';
import type { FileReads } from '../ports/file-reads.js';
import { absentAsUndefined } from './absent.js';

/** FileReads through node:fs. */
export function createFileReads(): FileReads {
  return {
    open: async (path) => {
      const handle = await open(path).catch(absentAsUndefined);
      if (handle === undefined) return undefined;
      const { dev, ino } = await handle.stat({ bigint: true });
      return {
        identity: `${dev}:${ino}`,
        size: async () => (await handle.stat()).size,
        read: async ({ position, length }) => {
          const bytes = Buffer.allocUnsafe(length);
          const { bytesRead } = await handle.read(bytes, 0, length, position);
          return bytes.subarray(0, bytesRead);
        },
        close: () => handle.close(),
      };
    },
  };
}
