/** What image layers need of the file system that Node's own calls don't give. Paths are absolute and lead through no symlink. */
export interface LayerFiles {
  /** Makes a whiteout in overlayfs' form, a character device 0:0, which hides an entry of the layers below. */
  makeWhiteout(path: string): Promise<void>;
  /** Marks a folder opaque for overlayfs: nothing of the layers below shows through. */
  markOpaque(dir: string): Promise<void>;
  /** Writes everything that the file system of `path` holds in memory to its disk, off the event loop. */
  syncFileSystem(path: string): Promise<void>;
  /** Writes the entries of a folder to the disk: a rename in it then survives loss of power. */
  syncFolder(dir: string): Promise<void>;
}
