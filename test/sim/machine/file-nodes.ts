/** What a folder of the model can hold. */
export type FileNode = DirNode | PlainNode | FifoNode;

interface NodeCommon {
  mode: number;
  mtimeMs: number;
  /** 0 where they are left out. */
  uid?: number;
  gid?: number;
}

export interface DirNode extends NodeCommon {
  kind: 'dir';
  entries: Map<string, FileNode>;
}

export interface PlainNode extends NodeCommon {
  kind: 'file';
  content: Buffer;
}

export interface FifoNode extends NodeCommon {
  kind: 'fifo';
  /** What was written and not read yet. */
  unread: string;
  /** Takes all that is unread; undefined while nobody reads. */
  reader: ((text: string) => void) | undefined;
}

export const newDir = (mtimeMs: number, mode = 0o755): DirNode => ({
  kind: 'dir',
  mode,
  mtimeMs,
  entries: new Map(),
});

export const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '');
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const isBelow = (path: string, dir: string): boolean =>
  path.startsWith(dir.endsWith('/') ? dir : `${dir}/`);

/** Walks down from a folder; undefined where a part is missing or is no folder. */
export function walk(from: FileNode, parts: readonly string[]): FileNode | undefined {
  let at: FileNode | undefined = from;
  for (const part of parts) {
    if (at?.kind !== 'dir') return undefined;
    at = at.entries.get(part);
  }
  return at;
}
