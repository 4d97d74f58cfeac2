import type { Duplex } from 'node:stream';
import type { Log } from '../../../base/call-context.js';
import { NodeletError } from '../../../base/errors.js';
import type { Clock } from '../../../ports/clock.js';
import { heartbeatMs, idleMs } from '../liveness.js';
import {
  FrameDecoder,
  broken,
  encodeDataHead,
  encodeGoaway,
  encodePing,
  encodeReset,
  encodeSynReply,
  encodeWindowUpdate,
  goawayStatus,
  resetStatus,
} from './frames.js';
import type { Frame } from './frames.js';
import { HeaderReader, HeaderWriter } from './header-blocks.js';
import { SendWindows } from './send-windows.js';
import { SpdyStream, initialWindowBytes } from './stream.js';
import type { StreamLink } from './stream.js';

export interface SpdyConnectionParts {
  clock: Clock;
  log: Log;
  /** Takes a stream that the client has opened, or leaves it (false) to be refused. */
  accept(stream: SpdyStream): boolean;
  /**
   * A peer that keeps to no window may have so much waiting in all streams together before one of them that nobody reads
   * holds up the others. Default: nothing beyond what one stream holds.
   */
  heldBytes?: number;
}

const maxStreams = 1024;
/** Streams take turns on the socket by pieces of this size. */
const maxDataBytes = 64 * 1024;
/** How long a client may take to close the connection, and then to see that this side has. */
const partingMs = 1000;
const lingerMs = 5000;

/** The server's side of one SPDY/3.1 connection. */
export class SpdyConnection implements StreamLink {
  /** Aborted once the connection has gone, by whatever side. */
  readonly gone: AbortSignal;
  private readonly end = new AbortController();
  private readonly streams = new Map<number, SpdyStream>();
  private readonly windows = new SendWindows(this.streams);
  private readonly reader = new HeaderReader();
  private readonly writer = new HeaderWriter();
  private lastStreamId = 0;
  private uncreditedBytes = 0;
  private isCrediting = false;
  private pings = 0;
  private lastMoveMs: number;
  private isClosing = false;
  private cancelTimer: () => void = () => undefined;

  constructor(
    private readonly socket: Duplex,
    private readonly parts: SpdyConnectionParts,
  ) {
    this.gone = this.end.signal;
    this.lastMoveMs = parts.clock.monotonicMs();
    // An error is followed by close, which is what counts.
    socket.on('error', () => undefined);
    socket.once('close', () => this.ended());
    this.heartbeat();
  }

  /** Serves until the client or `close` ends the connection. */
  async serve(): Promise<void> {
    const decoder = new FrameDecoder();
    try {
      // Kept open at an error, for what is to be said of it.
      const chunks = this.socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const chunk of chunks) for (const frame of decoder.push(chunk)) await this.handle(frame);
    } catch (thrown) {
      if (!this.gone.aborted) {
        this.parts.log.warn({ err: String(thrown) }, 'a SPDY connection broke');
        return this.giveUp();
      }
    }
    this.socket.destroy();
  }

  /** Tells the peer that it has broken the protocol, as far as it listens, and ends. */
  private giveUp(): void {
    this.isClosing = true;
    this.cancelTimer();
    for (const stream of [...this.streams.values()]) stream.reset();
    this.socket.end(encodeGoaway(this.lastStreamId, goawayStatus.protocolError), () => this.socket.destroy());
    this.cancelTimer = this.parts.clock.after(partingMs, () => this.socket.destroy());
  }

  /** Takes no new streams. The client closes the connection once it has read everything; one that doesn't is not waited for. */
  close(): void {
    if (this.isClosing || this.gone.aborted) return;
    this.isClosing = true;
    this.cancelTimer();
    void this.write(encodeGoaway(this.lastStreamId)).catch(() => undefined);
    // What the client still sends is read and dropped: a reset would cost it what it has not read yet.
    for (const stream of this.streams.values()) stream.resume();
    this.cancelTimer = this.parts.clock.after(partingMs, () => {
      this.socket.end();
      this.cancelTimer = this.parts.clock.after(lingerMs, () => this.socket.destroy());
    });
  }

  async send(stream: SpdyStream, bytes: Buffer, fin: boolean): Promise<void> {
    let rest = bytes;
    do {
      const taken =
        rest.length === 0 ? 0 : await this.windows.take(stream, Math.min(rest.length, maxDataBytes));
      if (stream.destroyed) throw new NodeletError('canceled', 'the client has gone away');
      const piece = rest.subarray(0, taken);
      rest = rest.subarray(taken);
      await this.write(
        encodeDataHead(stream.id, { bytes: piece.length, fin: fin && rest.length === 0 }),
        piece,
      );
      this.lastMoveMs = this.parts.clock.monotonicMs();
    } while (rest.length > 0);
  }

  credit(stream: SpdyStream, bytes: number): Promise<void> {
    return this.write(encodeWindowUpdate(stream.id, bytes)).catch(() => undefined);
  }

  left(stream: SpdyStream, isWhole: boolean): void {
    if (this.streams.delete(stream.id) && !isWhole && !this.isClosing)
      void this.reset(stream.id, resetStatus.cancel);
    this.windows.wake();
  }

  private async handle(frame: Frame): Promise<void> {
    switch (frame.kind) {
      case 'data':
        return this.receive(frame);
      case 'syn-stream':
        return this.open(frame);
      case 'syn-reply':
        throw broken('a reply to a stream that this side has not opened');
      case 'headers':
        // No client of Kubernetes' sends more headers; they are read all the same, since the compression goes on.
        this.reader.read(frame.headerBlock);
        if (frame.fin) this.streams.get(frame.streamId)?.receive(Buffer.alloc(0), true);
        return;
      case 'rst-stream':
        this.streams.get(frame.streamId)?.reset();
        return;
      case 'settings':
        return this.windows.settings(frame.entries);
      case 'window-update':
        return this.windows.widen(frame);
      case 'ping':
        // Answers to own pings have even numbers.
        if (frame.id % 2 === 1) await this.write(encodePing(frame.id)).catch(() => undefined);
        return;
      case 'goaway':
        return;
    }
  }

  private async open(frame: Extract<Frame, { kind: 'syn-stream' }>): Promise<void> {
    const { streamId, fin, isUnidirectional, headerBlock } = frame;
    const headers = this.reader.read(headerBlock);
    if (streamId % 2 === 0 || streamId <= this.lastStreamId)
      throw broken(`stream ${streamId} can't be opened`);
    this.lastStreamId = streamId;
    // One that takes no answer is of no use: every stream of Kubernetes' protocols has one, if only its end.
    if (this.isClosing || isUnidirectional || this.streams.size >= maxStreams)
      return this.reset(streamId, resetStatus.refused);
    const stream = new SpdyStream(streamId, headers, this, this.windows.initialStreamBytes);
    this.streams.set(streamId, stream);
    this.lastMoveMs = this.parts.clock.monotonicMs();
    await this.write(encodeSynReply(streamId, this.writer.write())).catch(() => undefined);
    if (!this.parts.accept(stream)) {
      stream.reset();
      await this.reset(streamId, resetStatus.refused);
    } else if (fin) stream.receive(Buffer.alloc(0), true);
  }

  private async receive({ streamId, bytes, fin }: Extract<Frame, { kind: 'data' }>): Promise<void> {
    this.lastMoveMs = this.parts.clock.monotonicMs();
    this.creditConnection(bytes.length);
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (streamId === 0 || streamId > this.lastStreamId)
        throw broken(`data of stream ${streamId}, which was not opened`);
      // It was on its way when this side had ended the stream.
      return;
    }
    if (!stream.receive(bytes, fin)) return this.reset(streamId, resetStatus.alreadyClosed);
    if (stream.isOverfull && this.held() >= (this.parts.heldBytes ?? 0)) await stream.room();
  }

  private held(): number {
    return [...this.streams.values()].reduce((bytes, { readableLength }) => bytes + readableLength, 0);
  }

  /** The connection's window is widened as data comes: what is held is bounded by the streams' own. */
  private creditConnection(bytes: number): void {
    this.uncreditedBytes += bytes;
    if (this.isCrediting || this.uncreditedBytes < initialWindowBytes / 2) return;
    const credited = this.uncreditedBytes;
    this.uncreditedBytes = 0;
    this.isCrediting = true;
    void this.write(encodeWindowUpdate(0, credited))
      .catch(() => undefined)
      .then(() => {
        this.isCrediting = false;
        this.creditConnection(0);
      });
  }

  /** Awaited wherever a frame of the peer's has caused it: one that sends and never reads must not fill memory. */
  private reset(streamId: number, status: number): Promise<void> {
    return this.write(encodeReset(streamId, status)).catch(() => undefined);
  }

  private write(...pieces: Buffer[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.socket.writableEnded || this.socket.destroyed)
        return reject(new NodeletError('canceled', 'the client has gone away'));
      this.socket.cork();
      const last = pieces.length - 1;
      pieces.forEach((piece, index) => {
        if (index < last) this.socket.write(piece);
        else
          this.socket.write(piece, (error) => {
            if (error) reject(error);
            else resolve();
          });
      });
      this.socket.uncork();
    });
  }

  /** A connection that waits for room does not notice that its client has gone; a failing write does. */
  private heartbeat(): void {
    this.cancelTimer = this.parts.clock.after(heartbeatMs, () => {
      if (this.parts.clock.monotonicMs() - this.lastMoveMs > idleMs) return this.close();
      void this.write(encodePing((this.pings += 2))).catch(() => undefined);
      this.heartbeat();
    });
  }

  private ended(): void {
    this.cancelTimer();
    this.end.abort(new NodeletError('canceled', 'the client has gone away'));
    for (const stream of [...this.streams.values()]) stream.reset();
    this.windows.wake();
  }
}
