/** Network namespaces pinned to files (bind mounts of nsfs), so that they live without a process. */
export interface Namespaces {
  /** Makes a new network namespace with `lo` up and pins it at `path` (the file and its folder are made). `exists` when already pinned. */
  createNet(path: string): Promise<void>;
  /** Pins the network namespace that a live process is in, as createNet pins a new one, and brings its `lo` up. */
  pinNet(path: string, pid: number): Promise<void>;
  /** Unpins and removes the file; not there is success. */
  removeNet(path: string): Promise<void>;
  /** Whether a namespace is pinned at `path`. */
  isPinned(path: string): Promise<boolean>;
  /** Pinned files directly under `dir`, full paths. */
  listPinned(dir: string): Promise<string[]>;
}
