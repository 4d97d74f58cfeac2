/** Open files of one process. */
export interface OpenFiles {
  descriptors: number;
  sockets: number;
  /** RLIMIT_NOFILE's soft limit; undefined for none. */
  softLimit: number | undefined;
}

/** What a folder takes on its disk, by blocks in use; a file of several names counts once. */
export interface FolderUsage {
  bytes: number;
  inodes: number;
  /** False where the bound was reached: it takes at least that. */
  complete: boolean;
}

export interface FileSystemFacts {
  /** `/dev/vda`, or what mountinfo calls its source (`tmpfs`). */
  device: string;
  capacityBytes: number;
  /** What may still be written by others than root. */
  availableBytes: number;
  inodes: number;
  freeInodes: number;
}

/** What is used of the machine beside control groups. Nothing here changes it, and a folder or process that has gone is undefined. */
export interface UsageProbes {
  /** At most `maxDescriptors` are looked at, and more are taken for no sockets. */
  openFiles(pid: number, maxDescriptors: number): Promise<OpenFiles | undefined>;
  /** Walks the folder without following links or crossing mounts, a few entries at a time beside the daemon's other work. */
  folder(dir: string, bound: { maxEntries: number; signal: AbortSignal }): Promise<FolderUsage | undefined>;
  fileSystem(dir: string): Promise<FileSystemFacts>;
  /** `/dev/NAME` of a block device; `MAJOR:MINOR` where it has no name. */
  deviceName(device: { major: number; minor: number }): string;
}
