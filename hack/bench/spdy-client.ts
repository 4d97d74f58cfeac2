import { once } from 'node:events';
import net from 'node:net';
import zlib from 'node:zlib';
import { headerDictionary } from '../../src/cri/streaming/spdy/dictionary.js';
import { encodeDataHead } from '../../src/cri/streaming/spdy/frames.js';

const headBytes = 8;
/** One for all reads: what came is looked at before the next read. */
const readBytes = 256 * 1024;
/** What Go's io.Copy, and so kubectl and kubelets, puts into a frame. */
const frameBytes = 32 * 1024;
/** Frames that go to the kernel by one call. */
const framesAtOnce = 8;
/** Type and version at the head of a control frame; a data frame begins with a smaller number, its stream's. */
const firstOfControl = 0x80000000;
const synStream = 0x80030001;

type Receive = (bytes: number, fin: boolean) => void;

/**
 * The client's side of a SPDY/3.1 connection as Go's library has it (no windows, no answers to pings), which does as little
 * as it can for each byte, so that a server's speed shows: what comes is counted and not kept, what goes out is zeroes.
 */
export class SpdyClient {
  private readonly receivers = new Map<number, Receive>();
  private readonly deflate = zlib.createDeflate({ dictionary: headerDictionary });
  private lastStreamId = -1;
  /** Makes `failure` reject. */
  fail: (error: Error) => void = () => undefined;
  /** Rejects when the connection has ended, or a measurement that it is used for has failed. */
  readonly failure = new Promise<never>((_, reject) => (this.fail = reject));

  private constructor(private readonly socket: net.Socket) {
    this.failure.catch(() => undefined);
    socket.once('error', (error) => this.fail(error));
    socket.once('close', () => this.fail(new Error('the server has closed the connection')));
  }

  /** Upgrades a connection to the URL of one of CRI's streaming rpcs. */
  static async connect(url: string, protocol: string): Promise<SpdyClient> {
    const { hostname, port, pathname, search } = new URL(url);
    const reading = new FrameReading();
    const socket = net.connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: Buffer.alloc(readBytes),
        callback: (bytes, buffer) => {
          reading.push(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
          return true;
        },
      },
    });
    const client = new SpdyClient(socket);
    reading.refused = (error) => client.fail(error);
    reading.received = (streamId, bytes, fin) => client.receivers.get(streamId)?.(bytes, fin);
    await Promise.race([once(socket, 'connect'), client.failure]);
    socket.write(
      `POST ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\n` +
        `Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\nContent-Length: 0\r\n\r\n`,
    );
    await Promise.race([reading.upgraded, client.failure]);
    return client;
  }

  /** Opens a stream; `receive` is called with the size of each piece that comes. */
  async open(headers: Readonly<Record<string, string>>, receive: Receive): Promise<number> {
    const id = (this.lastStreamId += 2);
    this.receivers.set(id, receive);
    const block = await this.compress(headers);
    const head = Buffer.alloc(headBytes + 10);
    head.writeUInt32BE(synStream, 0);
    head.writeUInt32BE(block.length + 10, 4);
    head.writeUInt32BE(id, headBytes);
    this.socket.write(Buffer.concat([head, block]));
    return id;
  }

  /** Sends so many zeroes, as fast as the connection takes them. */
  async sendZeroes(streamId: number, bytes: number): Promise<void> {
    const piece = Buffer.alloc(frameBytes);
    for (let left = bytes; left > 0;) {
      this.socket.cork();
      for (let frame = 0; frame < framesAtOnce && left > 0; frame++) {
        const size = Math.min(left, frameBytes);
        left -= size;
        this.socket.write(encodeDataHead(streamId, { bytes: size, fin: false }));
        this.socket.write(piece.subarray(0, size));
      }
      this.socket.uncork();
      if (this.socket.writableNeedDrain) await Promise.race([once(this.socket, 'drain'), this.failure]);
    }
  }

  sendText(streamId: number, text: string): void {
    this.socket.write(encodeDataHead(streamId, { bytes: Buffer.byteLength(text), fin: false }));
    this.socket.write(text);
  }

  end(streamId: number): void {
    this.socket.write(encodeDataHead(streamId, { bytes: 0, fin: true }));
  }

  close(): void {
    this.receivers.clear();
    this.deflate.destroy();
    this.socket.destroy();
  }

  private async compress(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const text = (value: string): Buffer => {
      const bytes = Buffer.from(value);
      return Buffer.concat([count(bytes.length), bytes]);
    };
    const pairs = Object.entries(headers);
    this.deflate.write(Buffer.concat([count(pairs.length), ...pairs.flat().map(text)]));
    await new Promise<void>((resolve) => this.deflate.flush(zlib.constants.Z_SYNC_FLUSH, () => resolve()));
    const pieces: Buffer[] = [];
    for (let piece = this.take(); piece !== null; piece = this.take()) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  private take(): Buffer | null {
    return this.deflate.read() as Buffer | null;
  }
}

function count(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/**
 * The answer to the upgrade, then frames: the sizes of data are told. Control frames say nothing that a measurement
 * needs: an end is seen at the stream of errors, and containerd resets stdin before it tells that.
 */
class FrameReading {
  readonly upgraded: Promise<void>;
  received: (streamId: number, bytes: number, fin: boolean) => void = () => undefined;
  refused: (error: Error) => void = () => undefined;
  private upgrade: () => void = () => undefined;
  private answer: Buffer | undefined = Buffer.alloc(0);
  private readonly head = Buffer.alloc(headBytes);
  private headHeld = 0;
  /** What is still to come of the frame whose head is held whole. */
  private left = 0;

  constructor() {
    this.upgraded = new Promise((resolve) => (this.upgrade = resolve));
  }

  push(chunk: Buffer): void {
    let at = this.answer === undefined ? 0 : this.readAnswer(chunk);
    while (at < chunk.length) {
      if (this.headHeld < headBytes) {
        const taken = chunk.copy(this.head, this.headHeld, at, at + headBytes - this.headHeld);
        at += taken;
        this.headHeld += taken;
        if (this.headHeld < headBytes) return;
        this.left = this.head.readUIntBE(5, 3);
      }
      const taken = Math.min(this.left, chunk.length - at);
      at += taken;
      this.left -= taken;
      this.tell(taken);
      if (this.left === 0) this.headHeld = 0;
    }
  }

  private tell(bytes: number): void {
    const first = this.head.readUInt32BE(0);
    const fin = this.left === 0 && (this.head.readUInt8(4) & 1) !== 0;
    if (first < firstOfControl) this.received(first, bytes, fin);
  }

  /** Where the frames begin in this chunk. */
  private readAnswer(chunk: Buffer): number {
    const before = this.answer?.length ?? 0;
    this.answer = Buffer.concat([this.answer ?? Buffer.alloc(0), chunk]);
    const end = this.answer.indexOf('\r\n\r\n');
    if (end < 0) return chunk.length;
    const status = this.answer.toString('latin1', 0, end);
    this.answer = undefined;
    if (/^HTTP\/1\.1 101 /.test(status)) this.upgrade();
    else this.refused(new Error(`the upgrade was refused: ${status}`));
    return end + 4 - before;
  }
}
