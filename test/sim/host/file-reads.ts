import type { FileReads } from '../../../src/ports/file-reads.js';
import type { Session } from './session.js';

/** Reading of the machine's files, piece by piece. */
export function simFileReads(session: Session): FileReads {
  const { files } = session.machine;
  return {
    open: (path) =>
      session.effect('fileReads.open', path, () => {
        const node = files.find(path);
        if (node?.kind !== 'file') return undefined;
        return {
          identity: String(files.numberOf(node)),
          size: () => session.effect('fileReads.size', path, () => node.content.length),
          read: ({ position, length }) =>
            session.effect('fileReads.read', path, () =>
              Buffer.from(node.content.subarray(position, position + length)),
            ),
          close: async () => undefined,
        };
      }),
  };
}
