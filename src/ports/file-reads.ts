/** A file held open for reading: it stays the same one when it is renamed, replaced or removed. Close it when done. */
export interface OpenFile {
  /** Tells whether two that are open are one file, under whatever names they were opened. */
  readonly identity: string;
  /** Bytes it has now. */
  size(): Promise<number>;
  /** Up to `length` bytes from `position`: fewer where the file ends sooner, none at its end and behind it. */
  read(range: { position: number; length: number }): Promise<Buffer>;
  close(): Promise<void>;
}

/** Reading of files too large for `Files.read`, piece by piece. */
export interface FileReads {
  /** Undefined where there is no such file. */
  open(path: string): Promise<OpenFile | undefined>;
}
