import { gzipSync } from 'node:zlib';
import { normalize } from 'node:path/posix';
import { NodeletError } from '../../../src/base/errors.js';
import type { Files } from '../../../src/ports/files.js';
import type { IdRange } from '../../../src/ports/mounts.js';
import type { FileNode } from '../machine/file-nodes.js';
import { parentOf } from '../machine/file-nodes.js';
import type { Session } from './session.js';

/** What the kernel shows of ids that are not mapped. */
const overflowId = 65534;

/** The machine's files for one session of the agent. */
export function simFiles(session: Session): Files {
  const { files, clock, processes } = session.machine;
  let writes = 0;
  const ownerAt = (path: string, { uid = 0, gid = 0 }: FileNode) => {
    const { idMapping } = files.mounts.placeOf(path).mount;
    const seen = (id: number, range: IdRange | undefined) =>
      range === undefined ? id : id < range.length ? range.hostId + id : overflowId;
    return { uid: seen(uid, idMapping?.uids), gid: seen(gid, idMapping?.gids) };
  };
  return {
    read: (path) =>
      session.effect('files.read', path, () => {
        const node = files.find(path);
        if (node?.kind === 'dir') throw new NodeletError('bug', `EISDIR: illegal operation, ${path}`);
        return node?.kind === 'file' ? Buffer.from(node.content) : undefined;
      }),
    writeAtomic: (path, content, mode = 0o644) =>
      session.effect('files.writeAtomic', path, (cut) => {
        files.makeDir(parentOf(path));
        cut();
        const temporary = `${path}.${writes++}.tmp`;
        files.write(temporary, content, mode);
        cut();
        files.remove(temporary);
        files.write(path, content, mode);
      }),
    rename: (from, to) =>
      session.effect('files.rename', to, () => {
        files.move(from, to);
      }),
    renameIfFree: (from, to) =>
      session.effect('files.renameIfFree', to, () => {
        if (files.find(to) !== undefined || files.find(from) === undefined) return false;
        files.move(from, to);
        return true;
      }),
    gzip: ({ from, to }) =>
      session.effect('files.gzip', to, (cut) => {
        const node = files.find(from);
        if (node?.kind !== 'file') throw new NodeletError('not-found', `there is no file ${from}`);
        files.write(to, '', node.mode);
        cut();
        files.write(to, gzipSync(node.content), node.mode);
        Object.assign(files.find(to) ?? {}, { mtimeMs: node.mtimeMs, uid: node.uid, gid: node.gid });
      }),
    makeDir: (path, mode = 0o755) =>
      session.effect('files.makeDir', path, () => void files.makeDir(path, mode)),
    setOwner: (path, owner) =>
      session.effect('files.setOwner', path, () => {
        const node = files.find(path);
        if (node === undefined) throw new NodeletError('bug', `ENOENT: no such file or directory, ${path}`);
        Object.assign(node, owner);
      }),
    removeTree: (path) =>
      session.effect('files.removeTree', path, (cut) => {
        const mount = files.mounts.list(path)[0];
        if (mount !== undefined) throw new NodeletError('wrong-state', `${mount.target} still holds a mount`);
        for (const name of files.list(path)) {
          files.remove(`${path}/${name}`);
          cut();
        }
        files.remove(path);
      }),
    list: (path) => session.effect('files.list', path, () => files.list(path)),
    stat: (path) =>
      session.effect('files.stat', path, () => {
        const node = files.find(path);
        if (node === undefined) return undefined;
        const sizeBytes = node.kind === 'file' ? node.content.length : 0;
        const kind = node.kind === 'fifo' ? 'other' : node.kind;
        return { kind, sizeBytes, mode: node.mode, ...ownerAt(path, node), mtimeMs: node.mtimeMs };
      }),
    realPath: (path) =>
      session.effect('files.realPath', path, () => (files.find(path) === undefined ? undefined : path)),
    realPathIn: (root, path) =>
      session.effect('files.realPathIn', path, () => {
        const inside = `${root}${normalize(`/${path}`)}`.replace(/(.)\/$/, '$1');
        return files.find(inside) === undefined ? undefined : inside;
      }),
    readLink: (path) => session.effect('files.readLink', path, () => undefined),
    writeToFifo: (path, text) =>
      session.effect('files.writeToFifo', path, () => {
        const node = files.find(path);
        const isRead = node?.kind === 'fifo' && node.reader !== undefined;
        // conmon reads its control pipe; when it has ended, nobody does.
        const monitor = Number(files.text(`${parentOf(path)}/monitor.pid`) ?? '0');
        if (!isRead || processes.get(monitor) === undefined) {
          throw new NodeletError('wrong-state', `nobody reads ${path}`);
        }
        node.unread += text;
        clock.after(1, () => {
          const { unread } = node;
          node.unread = '';
          if (unread !== '' && processes.get(monitor) !== undefined) node.reader?.(unread);
        });
      }),
    takeFromFifo: (path) =>
      session.effect('files.takeFromFifo', path, () => {
        const node = files.find(path);
        if (node?.kind !== 'fifo') return '';
        const { unread } = node;
        node.unread = '';
        return unread;
      }),
    watch: (dir, changed) => {
      const stop = session.effectNow('files.watch', dir, () =>
        files.watch(dir, (name) => {
          // The kernel tells a little later, and tells a dead agent nothing.
          clock.after(1, () => !session.isDead && changed(name));
        }),
      );
      session.onCrash(() => stop?.());
      return () => stop?.();
    },
  };
}
