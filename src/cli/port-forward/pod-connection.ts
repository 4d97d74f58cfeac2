import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { spdyForward, spdyUpgrade } from '../../cri/streaming/protocols.js';
import {
  FrameDecoder,
  encodeDataHead,
  encodePing,
  encodeReset,
  encodeSynStream,
  resetStatus,
} from '../../cri/streaming/spdy/frames.js';
import type { Frame } from '../../cri/streaming/spdy/frames.js';
import { HeaderWriter } from '../../cri/streaming/spdy/header-blocks.js';
import { SpdyStream, initialWindowBytes } from '../../cri/streaming/spdy/stream.js';
import { connectionError, statusError, textOf } from '../api-client.js';

/** A client's streams have odd numbers. */
const streamIds = { error: 1, data: 3 } as const;
const requestId = '0';

/** One connection to a port of a pod. */
export interface PodConnection {
  /** Both directions end on their own; destroyed before that, it is reset. */
  data: Duplex;
  /** What kept the connection from coming about, once the pod's side is over; empty for nothing. */
  refusal: Promise<string>;
}

/**
 * Connects to a port of a pod: a connection to the daemon of its own, over SPDY/3.1, with one stream for data and one for
 * errors. So each waits for its own reader alone, and a pod whose sandbox was made anew is found again.
 */
export async function connectToPod(
  { socketPath, path }: { socketPath: string; path: string },
  port: number,
): Promise<PodConnection> {
  const link = new PodLink(await upgrade(socketPath, path));
  return link.open(port);
}

function upgrade(socketPath: string, path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const asking = request({
      socketPath,
      agent: false,
      method: 'POST',
      path,
      headers: {
        host: 'localhost',
        connection: 'Upgrade',
        upgrade: spdyUpgrade,
        'x-stream-protocol-version': spdyForward,
      },
    });
    asking.once('error', (error) => reject(connectionError(socketPath, error)));
    asking.once('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asking.once('response', (response) => {
      textOf(response).then((text) => reject(statusError(response.statusCode ?? 500, text)), reject);
    });
    asking.end();
  });
}

/** The client's side of a SPDY connection with two streams. Without windows: the socket is the window (ADR 12). */
class PodLink {
  private readonly headers = new HeaderWriter();
  private readonly streams = new Map<number, SpdyStream>();

  constructor(private readonly socket: Duplex) {
    // An error is followed by close, which is what counts.
    socket.on('error', () => undefined);
  }

  async open(port: number): Promise<PodConnection> {
    const link = {
      send: (stream: SpdyStream, bytes: Buffer, fin: boolean) => this.send(stream, bytes, fin),
      credit: async () => undefined,
      left: (stream: SpdyStream, isWhole: boolean) => this.left(stream, isWhole),
    };
    const opened = {} as Record<keyof typeof streamIds, SpdyStream>;
    for (const streamType of ['error', 'data'] as const) {
      const id = streamIds[streamType];
      const stream = new SpdyStream(id, new Map(), link, initialWindowBytes);
      this.streams.set(id, stream);
      opened[streamType] = stream;
      const block = this.headers.write({ streamType, port: String(port), requestID: requestId });
      await this.write(encodeSynStream(id, block));
    }
    // Nothing is told to the other side about errors.
    opened.error.end();
    void this.receiveAll();
    return { data: opened.data, refusal: textUntilClosed(opened.error) };
  }

  private async receiveAll(): Promise<void> {
    const decoder = new FrameDecoder();
    try {
      for await (const chunk of this.socket as AsyncIterable<Buffer>)
        for (const frame of decoder.push(chunk)) await this.receive(frame);
    } catch {
      // Broken: the streams end with it, below.
    } finally {
      this.socket.destroy();
      for (const stream of [...this.streams.values()]) stream.reset();
    }
  }

  private async receive(frame: Frame): Promise<void> {
    if (frame.kind === 'data') {
      const stream = this.streams.get(frame.streamId);
      stream?.receive(frame.bytes, frame.fin);
      await stream?.room();
    } else if (frame.kind === 'rst-stream') this.streams.get(frame.streamId)?.reset();
    else if (frame.kind === 'ping' && frame.id % 2 === 0)
      await this.write(encodePing(frame.id)).catch(() => undefined);
  }

  private async send({ id }: SpdyStream, bytes: Buffer, fin: boolean): Promise<void> {
    await this.write(encodeDataHead(id, { bytes: bytes.length, fin }), bytes);
  }

  /** The connection has no use once the data was reset, or both streams are over. */
  private left({ id }: SpdyStream, isWhole: boolean): void {
    this.streams.delete(id);
    if (!isWhole) void this.write(encodeReset(id, resetStatus.cancel)).catch(() => undefined);
    if (this.streams.size === 0 || (id === streamIds.data && !isWhole)) this.socket.end();
  }

  private write(...pieces: Buffer[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(Buffer.concat(pieces), (error) => (error ? reject(error) : resolve()));
    });
  }
}

function textUntilClosed(stream: SpdyStream): Promise<string> {
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  return new Promise((resolve) =>
    stream.once('close', () => resolve(Buffer.concat(pieces).toString('utf8'))),
  );
}
