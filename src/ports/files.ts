/** What a path is, without following a final symlink. */
export interface FileStat {
  kind: 'file' | 'dir' | 'symlink' | 'other';
  sizeBytes: number;
  mode: number;
  uid: number;
  gid: number;
  /** Modification time, milliseconds since the epoch. */
  mtimeMs: number;
  /** Of a device file: which device. */
  device?: { type: 'c' | 'b'; major: number; minor: number };
}

/** Ids as the host has them. */
export interface Owner {
  uid: number;
  gid: number;
}

/**
 * Small files and folders of nodelet's own (bundles, resolv.conf, exit files). Bulk data (layers, blobs)
 * does not pass through here. A missing path is `undefined` or no-op, never an error, except where said.
 */
export interface Files {
  /** Whole content, or undefined where there is no such file. */
  read(path: string): Promise<Buffer | undefined>;
  /** Writes a temporary file beside `path` and renames it over: readers see the old or the new content. Makes parent folders. */
  writeAtomic(path: string, content: string | Uint8Array, mode?: number): Promise<void>;
  /** Moves a file over another on the same file system: readers see the one or the other. */
  rename(from: string, to: string): Promise<void>;
  /** As rename to a name that is free: false, and nothing has changed, where it is taken or there is no such file. */
  renameIfFree(from: string, to: string): Promise<boolean>;
  /**
   * Packs a file with gzip(1) into another one, replacing it, a piece at a time and off the event loop; it has the mode, owner
   * and time of its source, and is on the disk when this resolves. `not-found` where there is no such source; whatever fails
   * it, the signal too, leaves no target.
   */
  gzip(paths: { from: string; to: string }, signal: AbortSignal): Promise<void>;
  /** mkdir -p; `mode` (default 0o755) for the folders it makes. */
  makeDir(path: string, mode?: number): Promise<void>;
  /** Gives an existing file or folder, not what is in it, to another user and group. */
  setOwner(path: string, owner: Owner): Promise<void>;
  /** rm -rf that deletes nothing behind a mount: one that is left inside makes it fail with `wrong-state`. */
  removeTree(path: string): Promise<void>;
  /** Names in a folder, sorted; empty where there is no such folder. */
  list(path: string): Promise<string[]>;
  stat(path: string): Promise<FileStat | undefined>;
  /** The path with every symlink on it followed; undefined where it leads to nothing. */
  realPath(path: string): Promise<string | undefined>;
  /**
   * Where `path` leads to for a process whose root is `root`, as a path of ours: every symlink is followed and none leads
   * out. Undefined where it leads to nothing. Who may change the tree meanwhile may change the answer.
   */
  realPathIn(root: string, path: string): Promise<string | undefined>;
  /** Where a symlink leads, as it is written; undefined for what is none. */
  readLink(path: string): Promise<string | undefined>;
  /** Writes into an existing FIFO without waiting for a reader; `wrong-state` when nobody reads it. */
  writeToFifo(path: string, text: string): Promise<void>;
  /** Takes out of a FIFO what was written and nobody has read yet; empty where that is nothing, or there is no FIFO. */
  takeFromFifo(path: string): Promise<string>;
  /** Calls `changed` with a name whenever an entry of the folder appears, changes or goes; returns the stop function. Events may be coalesced, the first call must follow a change made after `watch` returned. The folder may come later, or go and come back: all its entries are told then. */
  watch(dir: string, changed: (name: string) => void): () => void;
}
