import { NodeletError } from '../../../src/base/errors.js';
import type { Mounts } from '../../../src/ports/mounts.js';
import type { Namespaces } from '../../../src/ports/namespaces.js';
import type { DirNode, FileNode } from '../machine/file-nodes.js';
import { newDir, parentOf } from '../machine/file-nodes.js';
import type { SimMachine } from '../machine/machine.js';
import type { Session } from './session.js';

function need(machine: SimMachine, path: string): FileNode {
  const node = machine.files.find(path);
  if (node !== undefined) return node;
  throw new NodeletError('tool-failed', `mounting at ${path} failed: ENOENT`);
}

function needDir(machine: SimMachine, path: string): DirNode {
  const node = need(machine, path);
  if (node.kind === 'dir') return node;
  throw new NodeletError('tool-failed', `mounting at ${path} failed: ENOTDIR`);
}

function unmount(machine: SimMachine, target: string): void {
  if (machine.files.mounts.remove(target)?.fsType === 'nsfs') machine.pins.delete(target);
  machine.collectNamespaces();
}

export function simMounts(session: Session): Mounts {
  const { machine } = session;
  const { files, clock } = machine;
  return {
    overlay: ({ target, lowers, upper, work }) =>
      session.effect('mounts.overlay', target, () => {
        needDir(machine, target);
        needDir(machine, work);
        const roots = [upper, ...lowers].map((dir) => needDir(machine, dir));
        files.mounts.add({ target, fsType: 'overlay', source: 'overlay', roots });
      }),
    tmpfs: (target, { mode, owner }) =>
      session.effect('mounts.tmpfs', target, () => {
        needDir(machine, target);
        const roots = [{ ...newDir(clock.monotonicMs(), mode), ...owner }];
        files.mounts.add({ target, fsType: 'tmpfs', source: 'tmpfs', roots });
      }),
    bind: (source, target, { idMapping } = {}) =>
      session.effect('mounts.bind', target, () => {
        const root = need(machine, source);
        if ((need(machine, target).kind === 'dir') !== (root.kind === 'dir')) {
          throw new NodeletError('tool-failed', `mounting ${source} at ${target} failed: ENOTDIR`);
        }
        files.mounts.add({
          target,
          fsType: files.mounts.placeOf(source).mount.fsType,
          source,
          roots: [root],
          ...(idMapping === undefined ? {} : { idMapping }),
        });
      }),
    unmount: (target) => session.effect('mounts.unmount', target, () => unmount(machine, target)),
    list: (prefix) =>
      session.effect('mounts.list', prefix, () =>
        files.mounts.list(prefix).map(({ target, fsType, source }) => ({
          target,
          fsType,
          source,
          propagation: 'private' as const,
        })),
      ),
  };
}

export function simNamespaces(session: Session): Namespaces {
  const { machine } = session;
  const { files, pins, net } = machine;
  const makeFile = (path: string, cut: () => void) => {
    files.makeDir(parentOf(path));
    cut();
    if (pins.has(path)) {
      throw new NodeletError('exists', `a network namespace is pinned at ${path} already`);
    }
    files.write(path, '');
    cut();
  };
  const pin = (path: string, netNs: number) => {
    pins.set(path, netNs);
    files.mounts.add({ target: path, fsType: 'nsfs', source: 'nsfs', roots: [need(machine, path)] });
  };
  return {
    createNet: (path) =>
      session.effect('namespaces.createNet', path, (cut) => {
        makeFile(path, cut);
        pin(path, net.newNamespace());
      }),
    pinNet: (path, pid) =>
      session.effect('namespaces.pinNet', path, (cut) => {
        const netNs = machine.netNsAt(`/proc/${pid}/ns/net`);
        if (netNs === undefined) throw new NodeletError('bug', `ENOENT: no process ${pid}`);
        makeFile(path, cut);
        pin(path, netNs);
      }),
    removeNet: (path) =>
      session.effect('namespaces.removeNet', path, (cut) => {
        unmount(machine, path);
        cut();
        files.remove(path);
      }),
    isPinned: (path) => session.effect('namespaces.isPinned', path, () => pins.has(path)),
    listPinned: (dir) =>
      session.effect('namespaces.listPinned', dir, () =>
        [...pins.keys()].filter((path) => parentOf(path) === dir),
      ),
  };
}
