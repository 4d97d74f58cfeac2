/** What one step of a decompressor has done. */
export interface CodecStep {
  consumedBytes: number;
  producedBytes: number;
  /** A member (gzip) or frame (zstd) is whole; the next one, if there is any, begins after a `reset`. */
  isMemberEnd: boolean;
}

export interface CodecSpan {
  address: number;
  bytes: number;
}

/** A streaming decompressor of a C library. */
export interface Codec {
  /** Takes and makes as much as fits; throws `corrupt`. */
  step(from: CodecSpan, to: CodecSpan): CodecStep;
  reset(): void;
  close(): void;
}
