/** Where the parts of one layer lie, absolute paths on one file system. */
export interface LayerPlaces {
  /** What overlayfs takes as a lower. */
  folder: string;
  /** From which, with the folder, the archive is made again. */
  recipe: string;
  /** Folder of what later entries of the same archive have replaced; there only where that happened. */
  displaced: string;
}

/** What one layer may take; `images.limits` of the configuration. */
export interface LayerLimits {
  /** Bytes of the uncompressed archive. */
  maxUnpackedBytes: number;
  /** Entries of the archive. */
  maxEntries: number;
  /** Uncompressed bytes for each compressed one, looked at once the archive is larger than 64 MiB. */
  maxRatio: number;
}

export interface UnpackOrder {
  /** An empty folder, and a recipe and a folder of displaced entries that don't exist yet. */
  places: LayerPlaces;
  /** The archive as it is transferred: gzip, zstd or plain, told apart by how it begins. */
  chunks: AsyncIterable<Buffer>;
  limits: LayerLimits;
  signal: AbortSignal;
}

export interface UnpackedArchive {
  /** `sha256:…` of the uncompressed archive. */
  diffId: string;
  /** What the folder takes on a disk of 4 KiB blocks, bytes; never 0, which CRI's clients take for an error. */
  diskBytes: number;
  inodes: number;
  /** Names of extended attributes that were left out: overlayfs' own, and those that only the host may set. */
  droppedAttributes: string[];
}

/**
 * Layers between their archives (image-spec layer.md) and folders in overlayfs' form: whiteouts are character devices 0:0, opaque
 * folders carry `trusted.overlay.opaque`. The work is done off the event loop, and whoever gives or takes bytes is slowed to its pace.
 */
export interface LayerArchives {
  /**
   * Unpacks as the bytes come. `corrupt` naming manifest.layers for what is damaged or hostile, `exhausted` for a limit (named) or a full
   * disk; an error of `chunks` is thrown as it is. What it leaves after an error is the caller's to remove.
   */
  unpack(order: UnpackOrder): Promise<UnpackedArchive>;
  /** The exact bytes of the uncompressed archive; `corrupt` naming the entry that is lost or damaged. */
  pack(places: LayerPlaces, signal: AbortSignal): AsyncIterable<Buffer>;
  /** `sha256:…` of what `pack` would give; it fails as that does. */
  digest(places: LayerPlaces, signal: AbortSignal): Promise<string>;
}
