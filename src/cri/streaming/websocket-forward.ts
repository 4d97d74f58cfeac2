import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { ForwardSession } from '../../ports/cri/streaming.js';
import type { Framing } from './channels.js';
import { framingOf } from './channels.js';
import type { Clock } from '../../ports/clock.js';
import { forward } from './forward-connection.js';
import { watchLiveness } from './liveness.js';

const normalClosure = 1000;

/**
 * Forwards ports for a client that speaks WebSocket alone (`v4.channel.k8s.io` and its text form): of the session's ports, one connection
 * each, number i has channel 2i for data and 2i+1 for its errors. The first message on each is the port, two bytes, the
 * lower one first. There is no half-close: the connection ends when all of them have.
 */
export async function serveWebSocketForward(
  socket: WebSocket,
  session: ForwardSession,
  { protocol, clock }: { protocol: string; clock: Clock },
): Promise<void> {
  const framing = framingOf(protocol);
  const moved = watchLiveness(socket, clock);
  // An error is followed by close, which is what counts.
  socket.on('error', () => undefined);
  const connections = session.ports.map(
    (port, index) => new ChannelStream({ socket, framing, channel: index * 2, port, moved }),
  );
  socket.on('message', (message: RawData) => {
    const frame = framing.decode(message as Buffer);
    if (frame === undefined || frame.channel % 2 === 1) return;
    connections[frame.channel / 2]?.receive(frame.data);
  });
  socket.once('close', () => {
    for (const connection of connections) connection.destroy();
  });
  await Promise.all(
    connections.map(async (connection) => {
      const { port } = connection;
      await forward({ port, data: connection, fail: (message) => connection.fail(message) }, session);
    }),
  );
  if (socket.readyState === socket.OPEN) socket.close(normalClosure);
}

interface ChannelStreamParts {
  socket: WebSocket;
  framing: Framing;
  channel: number;
  port: number;
  /** Called when something goes out. */
  moved: () => void;
}

/** The data channel of one port. */
class ChannelStream extends Duplex {
  readonly port: number;
  private readonly socket: WebSocket;
  private readonly framing: Framing;
  private readonly channel: number;
  private readonly moved: () => void;

  constructor({ socket, framing, channel, port, moved }: ChannelStreamParts) {
    super();
    this.socket = socket;
    this.framing = framing;
    this.channel = channel;
    this.port = port;
    this.moved = moved;
    this.on('error', () => undefined);
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    for (const each of [channel, channel + 1]) socket.send(framing.encode(each, number), () => undefined);
  }

  receive(data: Buffer): void {
    if (!this.destroyed && data.length > 0 && !this.push(data)) this.socket.pause();
  }

  fail(message: string): void {
    this.socket.send(this.framing.encode(this.channel + 1, Buffer.from(message)), () => undefined);
    this.destroy();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.moved();
    this.socket.send(this.framing.encode(this.channel, chunk), (error) => done(error ?? null));
  }

  /** The pod has ended its side: without a half-close there is nothing more to come from the client either. */
  override _final(done: (error?: Error | null) => void): void {
    done();
    this.destroy();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // One that waited for room must not keep the others waiting.
    this.socket.resume();
    done(error);
  }
}
