import fs from 'node:fs';
import os from 'node:os';
import { hostile, shown } from './archive-error.js';
import { open, treeCalls } from './tree-calls.js';
import { must, treeError } from './tree-error.js';

const { ENOENT, ENOTDIR, ELOOP, EEXIST } = os.constants.errno;
/** Entries of one folder mostly come together; the folders above are needed for its neighbours. */
const openMax = 32;
export const fileType = {
  mask: 0o170000,
  dir: 0o040000,
  file: 0o100000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
};

/** A folder of the layer that is open. */
export interface OpenFolder {
  fd: number;
  /** Relative to the layer, without symlinks; empty for its root. */
  path: string;
}

/** What a folder is to have in the end: until then, entries that are made in it change its time. */
export interface FolderFinish {
  inode: bigint;
  mode: number;
  owner: { uid: number; gid: number };
  mtime: { sec: number; ns: number } | undefined;
  /** Put on last, since what is made below would inherit it. */
  defaultAcl: Buffer | undefined;
}

export const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);
export const split = (path: string): [folder: string, name: string] => {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)];
};

/** The folders of one layer by the names that its archive gives them, which may lead through symlinks of the layer and never out of it. */
export class TreeFolders {
  readonly root: OpenFolder;
  private readonly rootPath: string;
  private readonly known = new Map<string, OpenFolder>();
  private readonly finishes = new Map<string, FolderFinish>();
  private isStale = false;

  constructor(target: string) {
    this.root = { fd: fs.openSync(target, open.folder), path: '' };
    this.rootPath = realPathOf(this.root.fd);
    // Whatever the store's folder hands down.
    must(treeCalls.chown(this.root.fd, '.', { uid: 0, gid: 0 }), 'giving away', target);
    must(treeCalls.chmod(this.root.fd, '.', 0o755), 'setting the mode of', target);
  }

  /** The folder of that name, made with those above where it is missing. */
  at(path: string): OpenFolder {
    const known = this.recall(path);
    if (known !== undefined) return known;
    const fd = treeCalls.openInRoot(this.root.fd, path, open.folder);
    if (fd >= 0) return this.keep(path, fd);
    if (fd === -ENOENT || fd === -ENOTDIR) return this.make(path, fd === -ENOTDIR);
    if (fd === -ELOOP) throw hostile(`symbolic links on ${shown(path)} lead in a circle`);
    throw treeError(fd, 'opening the folder', path);
  }

  /** The folder of that name where it is there. */
  find(path: string): OpenFolder | undefined {
    const known = this.recall(path);
    if (known !== undefined) return known;
    const fd = treeCalls.openInRoot(this.root.fd, path, open.folder);
    if (fd >= 0) return this.keep(path, fd);
    if (fd === -ENOENT || fd === -ENOTDIR || fd === -ELOOP) return undefined;
    throw treeError(fd, 'opening the folder', path);
  }

  /** Says what a folder is to have in the end; the last word counts. */
  finishWith(parent: OpenFolder, name: string, finish: Omit<FolderFinish, 'inode'>): void {
    const stat = treeCalls.stat(parent.fd, name);
    if (typeof stat === 'number') throw treeError(stat, 'looking at', name);
    this.finishes.set(join(parent.path, name), { ...finish, inode: stat.inode });
  }

  /** To be called when a name that may be on the way to others leads elsewhere from now on. Folders in hand stay open until the next is asked for. */
  forget(): void {
    this.isStale = true;
  }

  /** Gives all folders what they are to have. */
  finish(): void {
    for (const [path, finish] of this.finishes) this.finishOne(path, finish);
  }

  close(): void {
    this.closeKnown();
    treeCalls.close(this.root.fd);
  }

  private closeKnown(): void {
    for (const { fd } of this.known.values()) treeCalls.close(fd);
    this.known.clear();
  }

  private recall(path: string): OpenFolder | undefined {
    if (path === '') return this.root;
    if (this.isStale) {
      this.closeKnown();
      this.isStale = false;
    }
    const known = this.known.get(path);
    if (known === undefined) return undefined;
    // The one that was used longest ago comes first.
    this.known.delete(path);
    this.known.set(path, known);
    return known;
  }

  private finishOne(path: string, { inode, mode, owner, mtime, defaultAcl }: FolderFinish): void {
    const [above, name] = split(path);
    // Where something else stands by now, or the way has become another, there is nothing to finish.
    const fd = above === '' ? this.root.fd : treeCalls.openPlain(this.root.fd, above, open.folder);
    if (fd < 0) return;
    try {
      const stat = treeCalls.stat(fd, name);
      if (typeof stat === 'number' || stat.inode !== inode) return;
      must(treeCalls.chown(fd, name, owner), 'giving away', path);
      must(treeCalls.chmod(fd, name, mode), 'setting the mode of', path);
      if (defaultAcl !== undefined) {
        const attribute = { name: 'system.posix_acl_default', value: defaultAcl };
        must(treeCalls.setAttribute(fd, name, attribute), 'setting the ACL of', path);
      }
      if (mtime !== undefined) must(treeCalls.setTime(fd, name, mtime), 'setting the time of', path);
    } finally {
      if (fd !== this.root.fd) treeCalls.close(fd);
    }
  }

  private make(path: string, isBlocked: boolean): OpenFolder {
    const [above, name] = split(path);
    // Makes those above first, and then this one; what stands in the way is found on the way up.
    const parent = this.at(above);
    let isOpaque = false;
    if (isBlocked) {
      const stat = treeCalls.stat(parent.fd, name);
      if (typeof stat === 'number' || !isWhiteout(stat)) {
        throw hostile(`the way to what is below ${shown(path)} leads through something that is no folder`);
      }
      must(treeCalls.unlink(parent.fd, name), 'replacing the whiteout', path);
      isOpaque = true;
    }
    const made = treeCalls.makeDir(parent.fd, name);
    if (made === -EEXIST) return this.keep(path, this.behindLink(parent, name, path));
    must(made, 'making the folder', path);
    if (isOpaque) markOpaque(parent, name);
    this.finishWith(parent, name, {
      mode: 0o755,
      owner: { uid: 0, gid: 0 },
      mtime: undefined,
      defaultAcl: undefined,
    });
    return this.keep(path, must(treeCalls.open(parent.fd, name, open.folder), 'opening the folder', path));
  }

  /** The missing folder that a symlink leads to; only a link that stays below its own folder gets one. */
  private behindLink(parent: OpenFolder, name: string, path: string): number {
    const at = Buffer.from(`/proc/self/fd/${parent.fd}/${name}`, 'latin1');
    const target = fs.readlinkSync(at, { encoding: 'latin1' });
    if (target.startsWith('/') || target.split('/').includes('..')) {
      throw hostile(`the symbolic link ${shown(path)} leads to nothing in this layer`);
    }
    this.at(join(parent.path, target));
    return must(treeCalls.openInRoot(this.root.fd, path, open.folder), 'opening the folder', path);
  }

  private keep(path: string, fd: number): OpenFolder {
    const real = realPathOf(fd);
    const inside = real === this.rootPath ? '' : real.slice(this.rootPath.length + 1);
    const folder = { fd, path: inside };
    for (const [oldest, { fd: old }] of this.known) {
      if (this.known.size < openMax) break;
      treeCalls.close(old);
      this.known.delete(oldest);
    }
    this.known.set(path, folder);
    return folder;
  }
}

const realPathOf = (fd: number): string => fs.readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'latin1' });

export function isWhiteout({
  mode,
  devMajor,
  devMinor,
}: {
  mode: number;
  devMajor: number;
  devMinor: number;
}): boolean {
  return (mode & fileType.mask) === fileType.char && devMajor === 0 && devMinor === 0;
}

export function markOpaque(parent: OpenFolder, name: string): void {
  const attribute = { name: 'trusted.overlay.opaque', value: Buffer.from('y') };
  must(treeCalls.setAttribute(parent.fd, name, attribute), 'marking as opaque the folder', name);
}
