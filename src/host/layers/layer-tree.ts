import os from 'node:os';
import { damaged, hostile, shown } from './archive-error.js';
import { Attributes } from './attributes.js';
import type { BlockSource } from './block-source.js';
import { DisplacedEntries } from './displaced-entries.js';
import type { RecipeWriter } from './recipe-writer.js';
import type { TarEntry } from './tar-reader.js';
import { open, treeCalls } from './tree-calls.js';
import { must, treeError } from './tree-error.js';
import type { OpenFolder } from './tree-folders.js';
import { TreeFolders, fileType, isWhiteout, join, markOpaque, split } from './tree-folders.js';
import type { Whiteout } from './whiteout.js';
import { whiteoutOf } from './whiteout.js';

const { EEXIST, ENOENT } = os.constants.errno;
const blockBytes = 4096;
/** 64-bit file systems take no larger offset, and a sparse file costs nothing to claim. */
const fileMaxBytes = 2 ** 43;

interface Place {
  folder: OpenFolder;
  name: string;
}

export interface LayerTreeParts {
  /** The empty folder, and where what is replaced goes. */
  target: string;
  displaced: string;
  source: BlockSource;
  recipe: RecipeWriter;
  /** Of this process: what of a mode the kernel takes away. */
  umask: number;
}

/**
 * Builds a layer's folder from entries in the archive's order. Names are resolved inside the folder, which acts as a root:
 * symlinks of the layer are followed and none leads out. A later entry replaces an earlier one, but a folder stays for a folder.
 */
export class LayerTree {
  /** What the folder takes, in blocks; what is displaced counts, too. */
  diskBytes = blockBytes;
  inodes = 1;
  readonly attributes = new Attributes();
  private readonly folders: TreeFolders;
  private readonly replaced: DisplacedEntries;
  /** Hard links to files that have not come yet. */
  private waiting: TarEntry[] = [];

  constructor(private readonly parts: LayerTreeParts) {
    this.folders = new TreeFolders(parts.target);
    this.replaced = new DisplacedEntries(parts.displaced, parts.recipe, this.folders);
  }

  /** Takes an entry with its data. */
  add(entry: TarEntry): void {
    const name = cleaned(entry.name);
    const whiteout = whiteoutOf(name);
    if (whiteout !== undefined) {
      this.hide(whiteout, entry);
      this.keepData(entry);
    } else if (name === '') this.setRoot(entry);
    else if (entry.type === 'link') this.link(entry);
    else this.make(entry, this.place(name));
  }

  /** To be called behind the last entry. */
  finish(): void {
    while (this.waiting.length > 0) {
      const links = this.waiting;
      this.waiting = [];
      for (const entry of links) this.link(entry, true);
      const [stuck] = this.waiting;
      if (this.waiting.length === links.length && stuck !== undefined) throw noTarget(stuck);
    }
    this.folders.finish();
  }

  close(): void {
    this.folders.close();
    this.replaced.close();
  }

  private place(name: string): Place {
    const [above, base] = split(name);
    return { folder: this.folders.at(above), name: base };
  }

  private make(entry: TarEntry, place: Place): void {
    if (entry.type === 'dir') this.makeFolder(entry, place);
    else if (entry.type === 'file') this.makeFile(entry, place);
    else this.makeOther(entry, place);
  }

  private makeFolder(entry: TarEntry, { folder, name }: Place): void {
    const isNew = this.makeNew(entry, { folder, name }, () => treeCalls.makeDir(folder.fd, name));
    if (isNew) this.count(blockBytes);
    const defaultAcl = this.attributes.set(folder.fd, name, entry);
    const { mode, mtime } = entry;
    this.folders.finishWith(folder, name, { mode, owner: entry, mtime, defaultAcl });
  }

  private makeFile(entry: TarEntry, { folder, name }: Place): void {
    if (entry.realBytes > fileMaxBytes)
      throw hostile(`the file ${shown(entry.name)} claims ${entry.realBytes} bytes`);
    let fd = -1;
    this.makeNew(entry, { folder, name }, () => {
      fd = treeCalls.open(folder.fd, name, open.writeNew, entry.mode & 0o777);
      return fd;
    });
    try {
      this.writeData(entry, fd, join(folder.path, name));
    } finally {
      treeCalls.close(fd);
    }
    this.count(entry.storedBytes);
    this.dress(entry, { folder, name });
  }

  private makeOther(entry: TarEntry, place: Place): void {
    const { folder, name } = place;
    const { type, mode, devMajor: major, devMinor: minor, linkName } = entry;
    if (type === 'symlink') {
      if (linkName === '') throw damaged(`the symbolic link ${shown(entry.name)} has no target`);
      this.makeNew(entry, place, () => treeCalls.symlink(folder.fd, name, linkName));
    } else {
      const kind = type === 'char' ? fileType.char : type === 'block' ? fileType.block : fileType.fifo;
      const node = type === 'fifo' ? { major: 0, minor: 0 } : { major, minor };
      this.makeNew(entry, place, () =>
        treeCalls.makeNode(folder.fd, name, { mode: kind + (mode & 0o777), ...node }),
      );
    }
    this.count(0);
    this.dress(entry, place);
  }

  /** Runs `make`, once more after what is in its way has been taken out of it; false where a folder is to be one and is. */
  private makeNew(entry: TarEntry, { folder, name }: Place, make: () => number): boolean {
    let result = make();
    if (result === -EEXIST) {
      const was = this.replaced.clear(folder, name, entry.type === 'dir');
      if (was === 'kept') return false;
      result = make();
      // The layer hides what is below and brings a folder of its own: nothing of the old one may show through.
      if (was === 'whiteout' && entry.type === 'dir') markOpaque(folder, name);
    }
    must(result, 'making', entry.name);
    return true;
  }

  /** Owner, mode, attributes and time of what is no folder, in the order in which none undoes another. */
  private dress(entry: TarEntry, { folder, name }: Place): void {
    const { uid, gid, mode, mtime, type } = entry;
    const isGivenAway = uid !== 0 || gid !== 0;
    if (isGivenAway) must(treeCalls.chown(folder.fd, name, entry), 'giving away', entry.name);
    if (type !== 'symlink' && (mode & (0o7000 | this.parts.umask)) !== 0) {
      must(treeCalls.chmod(folder.fd, name, mode), 'setting the mode of', entry.name);
    }
    this.attributes.set(folder.fd, name, entry);
    must(treeCalls.setTime(folder.fd, name, mtime), 'setting the time of', entry.name);
  }

  private writeData(entry: TarEntry, fd: number, filePath: string): void {
    const { source, recipe } = this.parts;
    const { storedBytes, realBytes } = entry;
    const spans = entry.spans ?? [{ offset: 0, bytes: storedBytes }];
    for (const { offset, bytes } of spans) {
      recipe.content({ path: filePath, offset, bytes, fileBytes: realBytes });
      for (let done = 0; done < bytes;) {
        const piece = source.some(bytes - done);
        const from = { address: source.address + piece.start, bytes: piece.bytes };
        must(treeCalls.write(fd, from, offset + done), 'writing', entry.name);
        done += piece.bytes;
      }
    }
    if (entry.spans !== undefined) must(treeCalls.truncate(fd, realBytes), 'sizing', entry.name);
    this.keepPadding(storedBytes);
  }

  /** Data of an entry that becomes no file goes into the recipe. */
  private keepData({ storedBytes }: TarEntry): void {
    this.keep(storedBytes);
    this.keepPadding(storedBytes);
  }

  private keepPadding(storedBytes: number): void {
    this.keep((512 - (storedBytes % 512)) % 512);
  }

  private keep(bytes: number): void {
    const { source, recipe } = this.parts;
    for (let left = bytes; left > 0;) {
      const { start, bytes: some } = source.some(left);
      recipe.literal(source.window.subarray(start, start + some));
      left -= some;
    }
  }

  private setRoot(entry: TarEntry): void {
    if (entry.type !== 'dir') throw hostile('the root of the layer is no folder');
    const { folder, name } = { folder: this.folders.root, name: '.' };
    const defaultAcl = this.attributes.set(folder.fd, name, entry);
    const { mode, mtime } = entry;
    this.folders.finishWith(folder, name, { mode, owner: entry, mtime, defaultAcl });
  }

  /** A link to a file of this layer, whether that has come or not; in the end it must have. */
  private link(entry: TarEntry, isLate = false): void {
    const target = cleaned(entry.linkName);
    if (target.split('/').includes('..'))
      throw hostile(`the hard link ${shown(entry.name)} leads out of the layer`);
    const [above, base] = split(target);
    const { folder, name } = this.place(cleaned(entry.name));
    const from = this.folders.find(above);
    const stat = from === undefined || base === '' ? -ENOENT : treeCalls.stat(from.fd, base);
    if (from === undefined || typeof stat === 'number') {
      this.waiting.push(entry);
      return;
    }
    if ((stat.mode & fileType.mask) === fileType.dir)
      throw hostile(`${shown(entry.name)} is a hard link to a folder`);
    if (isWhiteout(stat)) throw hostile(`the hard link ${shown(entry.name)} leads to what the layer hides`);
    if (folder.path === from.path && name === base) return;
    if (isLate) {
      // What came later under the name of a link that had to wait is the last word about it.
      const there = treeCalls.stat(folder.fd, name);
      if (typeof there !== 'number' && !isWhiteout(there)) return;
    }
    this.makeNew(entry, { folder, name }, () =>
      treeCalls.link({ dir: from.fd, name: base }, { dir: folder.fd, name }),
    );
  }

  private hide(whiteout: Whiteout, entry: TarEntry): void {
    if (whiteout.kind === 'reserved') return;
    const folder = this.folders.at(whiteout.folder);
    if (whiteout.kind === 'opaque') {
      markOpaque(folder, '.');
      return;
    }
    const { name } = whiteout;
    const made = treeCalls.makeNode(folder.fd, name, { mode: fileType.char, major: 0, minor: 0 });
    if (made !== -EEXIST) {
      must(made, 'making the whiteout', entry.name);
      this.count(0);
      return;
    }
    // Whiteouts speak of the layers below: what this layer itself brings stays, but a folder starts anew.
    const stat = treeCalls.stat(folder.fd, name);
    if (typeof stat === 'number') throw treeError(stat, 'looking at', entry.name);
    if ((stat.mode & fileType.mask) === fileType.dir) markOpaque(folder, name);
  }

  private count(bytes: number): void {
    this.inodes += 1;
    this.diskBytes += Math.ceil(bytes / blockBytes) * blockBytes;
  }
}

/** A name without the parts that mean nothing: inside the layer, from its root; `..` was refused before, but for links' targets. */
const cleaned = (name: string): string => {
  // Nearly all names are clean.
  if (!/^[/.]|\/$|\/\/|\/\.\/|\/\.$/.test(name)) return name;
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
};

const noTarget = ({ name, linkName }: TarEntry): Error =>
  damaged(`the hard link ${shown(name)} leads to ${shown(linkName)}, which is not in this layer`);
