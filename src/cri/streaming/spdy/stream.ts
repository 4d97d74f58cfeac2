import { Duplex } from 'node:stream';
import { broken } from './frames.js';
import type { Headers } from './header-blocks.js';

/** What each side may send before the other has taken any of it, by the protocol. */
export const initialWindowBytes = 64 * 1024;
/** A peer that keeps to no window has filled a stream when this much of it waits. */
const overfullBytes = 256 * 1024;
/** What may wait to be sent: with less than a few reads' worth, what is read from would be stopped and started at each. */
const waitingBytes = 256 * 1024;

/** The connection, as its streams need it. */
export interface StreamLink {
  /** Sends data as far as the peer's windows and the socket allow; resolves once the socket has taken it. */
  send(stream: SpdyStream, bytes: Buffer, fin: boolean): Promise<void>;
  /** Tells the peer that so much more of the stream was taken; resolves once the socket has taken that. */
  credit(stream: SpdyStream, bytes: number): Promise<void>;
  /** The stream is over on this side; what the peer doesn't know of yet is reset. */
  left(stream: SpdyStream, isWhole: boolean): void;
}

/** One stream that a client has opened: both directions end on their own, and destroying it resets it. */
export class SpdyStream extends Duplex {
  /** How much may still be sent by the peer's word; meaningful only with a peer that gives its word. */
  windowBytes: number;
  private receivedBytes = 0;
  private creditedBytes = 0;
  private isCrediting = false;
  private ended = false;
  private sentFin = false;
  private takesMore: (() => void) | undefined;

  constructor(
    readonly id: number,
    readonly headers: Headers,
    private readonly link: StreamLink,
    peerWindowBytes: number,
  ) {
    super({ readableHighWaterMark: initialWindowBytes, writableHighWaterMark: waitingBytes });
    this.windowBytes = peerWindowBytes;
    // Whoever uses the stream learns of its end from its pipes; without any, it just ends.
    this.on('error', () => undefined);
  }

  /** Data of the peer's; false when it came after the peer's end. */
  receive(bytes: Buffer, fin: boolean): boolean {
    if (this.ended) return false;
    if (this.destroyed) return true;
    this.receivedBytes += bytes.length;
    if (bytes.length > 0) this.push(bytes);
    if (fin) {
      this.ended = true;
      this.push(null);
    }
    return true;
  }

  get isOverfull(): boolean {
    return !this.destroyed && this.readableLength >= overfullBytes;
  }

  /** Resolves when there is room again for what the peer sends, or the stream has gone. */
  async room(): Promise<void> {
    if (this.isOverfull) await new Promise<void>((resolve) => (this.takesMore = resolve));
  }

  /** Node asks here for whatever its reader takes, so this is where the taken bytes are seen. */
  override read(bytes?: number): unknown {
    const chunk: unknown = super.read(bytes);
    if (this.readableLength < overfullBytes) {
      this.takesMore?.();
      this.takesMore = undefined;
    }
    this.creditTaken();
    return chunk;
  }

  /** One at a time: a peer that sends and never reads must not fill memory with what it is told. */
  private creditTaken(): void {
    const taken = this.receivedBytes - this.readableLength - this.creditedBytes;
    if (this.ended || this.isCrediting || taken < initialWindowBytes / 2) return;
    this.creditedBytes += taken;
    this.isCrediting = true;
    void this.link.credit(this, taken).then(() => {
      this.isCrediting = false;
      this.creditTaken();
    });
  }

  /** Data comes by itself. */
  override _read(): void {
    return undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.link.send(this, chunk, false).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.sentFin = true;
    this.link.send(this, Buffer.alloc(0), true).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.takesMore?.();
    this.link.left(this, this.ended && this.sentFin);
    done(error);
  }

  /** The peer has reset the stream. */
  reset(): void {
    this.ended = true;
    this.sentFin = true;
    this.destroy(broken('the client has reset the stream'));
  }
}
