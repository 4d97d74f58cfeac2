import { NodeletError } from '../../../base/errors.js';

/** Frames of SPDY/3.1 as they come in; header blocks are still compressed. */
export type Frame =
  /** A piece of a data frame, as large as it came; `fin` on the last piece of a stream's last frame. */
  | { kind: 'data'; streamId: number; bytes: Buffer; fin: boolean }
  | { kind: 'syn-stream'; streamId: number; fin: boolean; isUnidirectional: boolean; headerBlock: Buffer }
  /** A stream that this side has opened is taken; what its headers say is of no use to anybody. */
  | { kind: 'syn-reply'; streamId: number }
  | { kind: 'headers'; streamId: number; fin: boolean; headerBlock: Buffer }
  | { kind: 'rst-stream'; streamId: number; status: number }
  | { kind: 'settings'; entries: { id: number; value: number }[] }
  | { kind: 'ping'; id: number }
  | { kind: 'goaway' }
  | { kind: 'window-update'; streamId: number; delta: number };

export const resetStatus = {
  protocolError: 1,
  refused: 3,
  cancel: 5,
  flowControl: 7,
  alreadyClosed: 9,
} as const;
/** Why this side says that it takes no more streams. */
export const goawayStatus = { ok: 0, protocolError: 1 } as const;
export const settingId = { initialWindowBytes: 7 } as const;

const version = 3;
const types = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;
const flagFin = 1;
const flagUnidirectional = 2;
const headBytes = 8;
const maxStreamId = 0x7fffffff;
/** Control frames are gathered whole; those of Kubernetes' clients take some hundred bytes. */
const maxControlBytes = 16 * 1024;

/** What a peer did against the protocol: the connection can't go on. */
export function broken(message: string): NodeletError {
  return new NodeletError('invalid', `the SPDY connection is broken: ${message}`);
}

/** Takes a connection's bytes in whatever pieces they come and gives its frames. Throws at what is no SPDY/3. */
export class FrameDecoder {
  /** What is there of a head, or of a control frame. */
  private held = Buffer.alloc(0);
  private data: { streamId: number; leftBytes: number; fin: boolean } | undefined;

  *push(chunk: Buffer): Generator<Frame> {
    let rest = chunk;
    for (;;) {
      if (this.data !== undefined) {
        const { streamId, leftBytes, fin } = this.data;
        const bytes = rest.subarray(0, leftBytes);
        rest = rest.subarray(bytes.length);
        const isLast = bytes.length === leftBytes;
        if (isLast) this.data = undefined;
        else this.data.leftBytes -= bytes.length;
        if (bytes.length > 0 || (isLast && fin)) yield { kind: 'data', streamId, bytes, fin: isLast && fin };
        if (!isLast) return;
      }
      const wanted = this.wantedBytes();
      const taken = rest.subarray(0, wanted - this.held.length);
      this.held = Buffer.concat([this.held, taken]);
      rest = rest.subarray(taken.length);
      if (this.held.length < wanted) return;
      // A head tells how much more there is to come.
      if (this.held.length < this.wantedBytes()) continue;
      const whole = this.held;
      this.held = Buffer.alloc(0);
      if (isControl(whole)) {
        const frame = decodeControl(whole);
        if (frame !== undefined) yield frame;
      } else {
        const fin = (whole.readUInt8(4) & flagFin) !== 0;
        this.data = { streamId: whole.readUInt32BE(0), leftBytes: whole.readUIntBE(5, 3), fin };
      }
    }
  }

  private wantedBytes(): number {
    if (this.held.length < headBytes || !isControl(this.held)) return headBytes;
    const bodyBytes = this.held.readUIntBE(5, 3);
    if (bodyBytes > maxControlBytes) throw broken(`a control frame of ${bodyBytes} bytes`);
    return headBytes + bodyBytes;
  }
}

const isControl = (head: Buffer): boolean => (head.readUInt8(0) & 0x80) !== 0;

/** Undefined for a type that this side has no use for, which the protocol wants ignored. */
function decodeControl(frame: Buffer): Frame | undefined {
  const spoken = frame.readUInt16BE(0) & 0x7fff;
  if (spoken !== version) throw broken(`version ${spoken} is spoken, not ${version}`);
  const type = frame.readUInt16BE(2);
  const fin = (frame.readUInt8(4) & flagFin) !== 0;
  const body = frame.subarray(headBytes);
  const word = (at: number): number => {
    if (body.length < at + 4) throw broken(`a frame of type ${type} is cut off`);
    return body.readUInt32BE(at);
  };
  const streamId = (): number => word(0) & maxStreamId;
  switch (type) {
    case types.synStream:
      word(6);
      return {
        kind: 'syn-stream',
        streamId: streamId(),
        fin,
        isUnidirectional: (frame.readUInt8(4) & flagUnidirectional) !== 0,
        headerBlock: body.subarray(10),
      };
    case types.headers:
      return { kind: 'headers', streamId: streamId(), fin, headerBlock: body.subarray(4) };
    case types.synReply:
      return { kind: 'syn-reply', streamId: streamId() };
    case types.rstStream:
      return { kind: 'rst-stream', streamId: streamId(), status: word(4) };
    case types.settings: {
      const count = word(0);
      if (body.length !== 4 + count * 8) throw broken('settings of another length than they say');
      const entries = Array.from({ length: count }, (_, index) => ({
        id: word(4 + index * 8) & 0xffffff,
        value: word(8 + index * 8),
      }));
      return { kind: 'settings', entries };
    }
    case types.ping:
      return { kind: 'ping', id: word(0) };
    case types.goaway:
      return { kind: 'goaway' };
    case types.windowUpdate:
      return { kind: 'window-update', streamId: streamId(), delta: word(4) & maxStreamId };
    default:
      return undefined;
  }
}

function control(type: number, words: readonly number[], rest: Buffer = Buffer.alloc(0)): Buffer {
  const frame = Buffer.alloc(headBytes + words.length * 4);
  frame.writeUInt16BE(0x8000 | version, 0);
  frame.writeUInt16BE(type, 2);
  frame.writeUIntBE(words.length * 4 + rest.length, 5, 3);
  words.forEach((word, index) => frame.writeUInt32BE(word, headBytes + index * 4));
  return Buffer.concat([frame, rest]);
}

/** The head of a data frame of `bytes` bytes. */
export function encodeDataHead(streamId: number, { bytes, fin }: { bytes: number; fin: boolean }): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(streamId, 0);
  head.writeUInt8(fin ? flagFin : 0, 4);
  head.writeUIntBE(bytes, 5, 3);
  return head;
}

export const encodeSynStream = (streamId: number, headerBlock: Buffer): Buffer =>
  // No stream goes with another, and all have the same priority, which take six bytes together.
  control(types.synStream, [streamId, 0], Buffer.concat([Buffer.alloc(2), headerBlock]));
export const encodeSynReply = (streamId: number, headerBlock: Buffer): Buffer =>
  control(types.synReply, [streamId], headerBlock);
export const encodeReset = (streamId: number, status: number): Buffer =>
  control(types.rstStream, [streamId, status]);
export const encodePing = (id: number): Buffer => control(types.ping, [id]);
export const encodeGoaway = (lastStreamId: number, status: number = goawayStatus.ok): Buffer =>
  control(types.goaway, [lastStreamId, status]);
/** Stream 0 is the connection as a whole. */
export const encodeWindowUpdate = (streamId: number, delta: number): Buffer =>
  control(types.windowUpdate, [streamId, delta]);
