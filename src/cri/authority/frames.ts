import { NodeletError } from '../../base/errors.js';

/** Frame types and flags of RFC 9113 section 6, as far as they matter here. */
export const frameTypes = {
  headers: 1,
  priority: 2,
  settings: 4,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const frameFlags = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const headBytes = 9;
const priorityBytes = 5;
/** SETTINGS_MAX_FRAME_SIZE's default, which Node's server keeps. */
const frameMaxBytes = 16 * 1024;
/** One request's compressed headers; gRPC clients send a few hundred bytes. */
const blockMaxBytes = 64 * 1024;

/** A HEADERS frame and its CONTINUATIONs as one. */
export interface HeaderBlock {
  streamId: number;
  endStream: boolean;
  /** The five bytes of a PRIORITY flag, or none. */
  priority: Buffer;
  /** The header block, HPACK-coded. */
  fragment: Buffer;
}

/**
 * A part of what a client sends, in order: the preface, a frame's head, some of a frame's payload (frames other than HEADERS aren't
 * gathered, however large they are), or a whole header block. `bytes` are as they came.
 */
export type Piece =
  | { kind: 'preface' | 'payload'; bytes: Buffer }
  | { kind: 'head'; type: number; flags: number; bytes: Buffer }
  | { kind: 'headers'; block: HeaderBlock; bytes: Buffer };

const malformed = (why: string): NodeletError => new NodeletError('invalid', `the HTTP/2 client ${why}`);

/** Cuts a client's bytes at the borders of frames, whatever chunks they come in. Memory is bounded by the largest header block. */
export class FrameSplitter {
  private held: Buffer = Buffer.alloc(0);
  private started = false;
  /** Payload bytes of the current frame that are still to pass. */
  private passingBytes = 0;
  private open: { block: Omit<HeaderBlock, 'fragment'>; fragments: Buffer[]; bytes: Buffer[] } | undefined;

  /** Bytes that came but are in no piece yet, in order. */
  get rest(): Buffer {
    return Buffer.concat([...(this.open?.bytes ?? []), this.held]);
  }

  /** Pieces that are whole with this chunk; `invalid` when the client doesn't speak HTTP/2, after which the connection is lost. */
  *feed(chunk: Buffer): Generator<Piece> {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    for (let piece = this.next(); piece !== undefined; piece = this.next()) {
      if (piece !== 'none') yield piece;
    }
  }

  /** The next piece, `none` when bytes went into a block that isn't whole, undefined when more bytes are needed. */
  private next(): Piece | 'none' | undefined {
    if (!this.started) return this.takePreface();
    if (this.passingBytes > 0) {
      if (this.held.length === 0) return undefined;
      const bytes = this.take(Math.min(this.passingBytes, this.held.length));
      this.passingBytes -= bytes.length;
      return { kind: 'payload', bytes };
    }
    if (this.held.length < headBytes) return undefined;
    const length = this.held.readUIntBE(0, 3);
    const type = this.held.readUInt8(3);
    const flags = this.held.readUInt8(4);
    if (type === frameTypes.headers || type === frameTypes.continuation) {
      if (length > frameMaxBytes) throw malformed(`sent a header frame of ${length} bytes`);
      if (this.held.length < headBytes + length) return undefined;
      const bytes = this.take(headBytes + length);
      return type === frameTypes.headers ? this.begin(bytes, flags) : this.proceed(bytes, flags);
    }
    if (this.open !== undefined) throw malformed('sent another frame within a header block');
    this.passingBytes = length;
    return { kind: 'head', type, flags, bytes: this.take(headBytes) };
  }

  private takePreface(): Piece | undefined {
    const seen = Math.min(preface.length, this.held.length);
    if (!this.held.subarray(0, seen).equals(preface.subarray(0, seen))) throw malformed('sent no preface');
    if (seen < preface.length) return undefined;
    this.started = true;
    return { kind: 'preface', bytes: this.take(preface.length) };
  }

  private begin(bytes: Buffer, flags: number): Piece | 'none' {
    if (this.open !== undefined) throw malformed('began a header block within another');
    let payload = bytes.subarray(headBytes);
    if ((flags & frameFlags.padded) !== 0) {
      const end = payload.length - (payload[0] ?? payload.length);
      if (end < 1) throw malformed('sent a header frame with more padding than payload');
      payload = payload.subarray(1, end);
    }
    const prioritized = (flags & frameFlags.priority) !== 0 ? priorityBytes : 0;
    if (payload.length < prioritized) throw malformed('sent a header frame that is cut short');
    const block = {
      streamId: streamOf(bytes),
      endStream: (flags & frameFlags.endStream) !== 0,
      priority: payload.subarray(0, prioritized),
    };
    this.open = { block, fragments: [payload.subarray(prioritized)], bytes: [bytes] };
    return this.endIf(flags);
  }

  private proceed(bytes: Buffer, flags: number): Piece | 'none' {
    if (this.open?.block.streamId !== streamOf(bytes)) throw malformed('continued no header block');
    this.open.fragments.push(bytes.subarray(headBytes));
    this.open.bytes.push(bytes);
    const total = this.open.bytes.reduce((sum, part) => sum + part.length, 0);
    if (total > blockMaxBytes) throw malformed(`sent a header block of more than ${blockMaxBytes} bytes`);
    return this.endIf(flags);
  }

  private endIf(flags: number): Piece | 'none' {
    if (this.open === undefined || (flags & frameFlags.endHeaders) === 0) return 'none';
    const { block, fragments, bytes } = this.open;
    this.open = undefined;
    const whole = { ...block, fragment: Buffer.concat(fragments) };
    return { kind: 'headers', block: whole, bytes: Buffer.concat(bytes) };
  }

  private take(length: number): Buffer {
    const taken = this.held.subarray(0, length);
    this.held = this.held.subarray(length);
    return taken;
  }
}

const streamOf = (frame: Buffer): number => frame.readUInt32BE(5) & 0x7fffffff;

/** One frame. `flags` and `streamId` default to 0. */
export function frameOf(type: number, payload: Buffer, { flags = 0, streamId = 0 } = {}): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** The block as a HEADERS frame and as many CONTINUATIONs as it needs. */
export function framesOf({ streamId, endStream, priority, fragment }: HeaderBlock): Buffer {
  const payload = Buffer.concat([priority, fragment]);
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += frameMaxBytes) {
    const flags =
      (at === 0 && endStream ? frameFlags.endStream : 0) |
      (at === 0 && priority.length > 0 ? frameFlags.priority : 0) |
      (at + frameMaxBytes >= payload.length ? frameFlags.endHeaders : 0);
    const type = at === 0 ? frameTypes.headers : frameTypes.continuation;
    frames.push(frameOf(type, payload.subarray(at, at + frameMaxBytes), { flags, streamId }));
  }
  return Buffer.concat(frames);
}
