/** What image layers need of the file system that Node's own calls don't give. Paths are absolute and lead through no symlink. */
export interface LayerFiles {
  /** Writes everything that the file system of `path` holds in memory to its disk, off the event loop. */
  syncFileSystem(path: string): Promise<void>;
  /** Writes the entries of a folder to the disk: a rename in it then survives loss of power. */
  syncFolder(dir: string): Promise<void>;
}
