import { NodeletError } from '../../../src/base/errors.js';
import type { Clock } from '../../../src/ports/clock.js';
import type { DirNode, FileNode } from './file-nodes.js';
import { nameOf, newDir, parentOf, partsOf, walk } from './file-nodes.js';
import { MountTable } from './mount-table.js';

const missing = (path: string) => new NodeletError('bug', `ENOENT: no such file or directory, ${path}`);

/**
 * Files of the machine: one tree of folders per file system, seen through the mount table. No symlinks, no
 * owners and no whiteouts: a lower file of an overlay can't be deleted, which nothing here asks for.
 */
export class FileTree {
  readonly mounts: MountTable;
  private readonly numbers = new WeakMap<FileNode, number>();
  private newest = 0;
  private readonly watchers = new Map<string, Set<(name: string) => void>>();

  constructor(private readonly clock: Clock) {
    this.mounts = new MountTable(newDir(clock.monotonicMs()));
  }

  find(path: string): FileNode | undefined {
    const { mount, parts } = this.mounts.placeOf(path);
    for (const root of mount.roots) {
      const found = walk(root, parts);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The folder at `path` where writes go, made with its parents where it is missing. */
  makeDir(path: string, mode = 0o755): DirNode {
    const { mount, parts } = this.mounts.placeOf(path);
    let at = mount.roots[0];
    const base = partsOf(mount.target);
    for (const [index, part] of parts.entries()) {
      if (at?.kind !== 'dir') break;
      let next = at.entries.get(part);
      if (next === undefined) {
        next = newDir(this.clock.monotonicMs(), mode);
        at.entries.set(part, next);
        this.changed(`/${[...base, ...parts.slice(0, index + 1)].join('/')}`);
      }
      at = next;
    }
    if (at?.kind !== 'dir') throw new NodeletError('bug', `ENOTDIR: not a directory, ${path}`);
    return at;
  }

  /** Puts a node into an existing folder, in place of what has the name there. */
  put(path: string, node: FileNode): void {
    if (this.find(parentOf(path))?.kind !== 'dir') throw missing(parentOf(path));
    this.makeDir(parentOf(path)).entries.set(nameOf(path), node);
    this.changed(path);
  }

  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    this.put(path, {
      kind: 'file',
      mode,
      mtimeMs: this.clock.monotonicMs(),
      content: Buffer.from(content as string),
    });
  }

  /** Adds to a file, which is made where there is none. */
  append(path: string, content: Uint8Array): void {
    const node = this.find(path);
    if (node?.kind !== 'file') return this.write(path, content);
    node.content = Buffer.concat([node.content, content]);
    node.mtimeMs = this.clock.monotonicMs();
    this.changed(path);
  }

  /** A number of its own, as an inode has. */
  numberOf(node: FileNode): number {
    const number = this.numbers.get(node) ?? ++this.newest;
    this.numbers.set(node, number);
    return number;
  }

  text(path: string): string | undefined {
    const node = this.find(path);
    return node?.kind === 'file' ? node.content.toString('utf8') : undefined;
  }

  /** Gives a file another name, in place of what has it: whoever has the file open goes on in it. */
  move(from: string, to: string): void {
    const node = this.find(from);
    if (node?.kind !== 'file') throw new NodeletError('bug', `ENOENT: no such file, ${from}`);
    this.remove(from);
    this.put(to, node);
  }

  /** Removes one entry, whatever is below it; absent is a no-op. Mounts at or below it must be gone. */
  remove(path: string): void {
    const left = this.mounts.list(path)[0];
    if (left !== undefined) throw new NodeletError('wrong-state', `${left.target} still holds a mount`);
    const dir = this.find(parentOf(path));
    if (dir?.kind === 'dir' && dir.entries.delete(nameOf(path))) this.changed(path);
  }

  /** Names in a folder, sorted; an overlay shows those of all its layers. */
  list(path: string): string[] {
    const { mount, parts } = this.mounts.placeOf(path);
    const names = mount.roots.flatMap((root) => {
      const dir = walk(root, parts);
      return dir?.kind === 'dir' ? [...dir.entries.keys()] : [];
    });
    return [...new Set(names)].sort();
  }

  /** All paths at or below `dir` in its own file system, folders with a final slash. */
  paths(dir: string): string[] {
    return this.list(dir).flatMap((name) => {
      const path = `${dir}/${name}`;
      const covered = this.mounts.list(path).some(({ target }) => target === path);
      if (this.find(path)?.kind !== 'dir') return [path];
      return [`${path}/`, ...(covered ? [] : this.paths(path))];
    });
  }

  /** Calls `changed` with a name whenever an entry of the folder appears, changes or goes. */
  watch(dir: string, changed: (name: string) => void): () => void {
    if (this.find(dir)?.kind !== 'dir') throw missing(dir);
    const watchers = this.watchers.get(dir) ?? new Set();
    this.watchers.set(dir, watchers.add(changed));
    return () => watchers.delete(changed);
  }

  private changed(path: string): void {
    for (const changed of this.watchers.get(parentOf(path)) ?? []) changed(nameOf(path));
  }
}
