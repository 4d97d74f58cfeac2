import net from 'node:net';
import type { Socket } from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import { silentLog } from '../../../src/base/call-context.js';
import { createStreamingServer } from '../../../src/cri/streaming/server.js';
import type { StreamingServer, StreamingServerParts } from '../../../src/cri/streaming/server.js';
import { createRandom } from '../../../src/host/random.js';
import type { CommandSession } from '../../../src/ports/cri/streaming.js';
import { socketPair } from '../../sim/machine/socket-pair.js';
import { testClock } from '../runtime-double.js';
import { FakeProcess, until } from './fake-process.js';

/** A streaming server on a port of its own, before processes and pods that are the test's. */
export class StreamingWorld {
  readonly process = new FakeProcess();
  /** The pod's ends of forwarded connections, in the order in which they were asked for. */
  readonly pods: Duplex[] = [];
  private readonly sockets: Socket[] = [];

  private constructor(readonly server: StreamingServer) {}

  static async start(set: Partial<StreamingServerParts> = {}): Promise<StreamingWorld> {
    const parts = { address: '127.0.0.1:0', clock: testClock, random: createRandom(), log: silentLog };
    const server = createStreamingServer({ ...parts, ...set });
    await server.start();
    return new StreamingWorld(server);
  }

  async end(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await this.server.stop();
  }

  exec(set: Partial<CommandSession> = {}, kind: 'exec' | 'attach' = 'exec'): string {
    const streams = { stdin: true, stdout: true, stderr: true, tty: false };
    return this.server.offerCommand(kind, { ...streams, start: async () => this.process, ...set });
  }

  forward(ports: number[] = []): string {
    return this.server.offerForward({
      ports,
      connect: async () => {
        const [pod, other] = socketPair();
        this.pods.push(pod);
        return other;
      },
    });
  }

  /** Sends bytes to the server and gathers what comes back. */
  async send(url: string, text: string | Buffer): Promise<RawClient> {
    const { port } = new URL(url);
    const socket = net.connect({ host: '127.0.0.1', port: Number(port) });
    this.sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    const client = new RawClient(socket);
    socket.write(text);
    return client;
  }

  /** A connection that speaks SPDY/3.1 from here on. */
  async spdy(url: string, protocol?: string): Promise<RawClient> {
    const named = protocol === undefined ? {} : { 'x-stream-protocol-version': protocol };
    const client = await this.send(url, requestHead(url, { upgrade: 'SPDY/3.1', ...named }, 'POST'));
    await until(() => client.received().includes('\r\n\r\n'));
    return client;
  }
}

/** The head of an upgrade request. */
export function requestHead(url: string, headers: Record<string, string>, method = 'GET'): string {
  const { host, pathname } = new URL(url);
  const lines = Object.entries({ host, connection: 'Upgrade', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export class RawClient {
  private pieces: Buffer[] = [];
  readonly closed: Promise<void>;

  constructor(readonly socket: Socket) {
    socket.on('error', () => undefined);
    socket.on('data', (piece) => this.pieces.push(piece));
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }

  received(): string {
    return this.bytes().toString('latin1');
  }

  /** What came after the head of the answer to the upgrade. */
  frames(): Buffer {
    const whole = this.bytes();
    return whole.subarray(whole.indexOf('\r\n\r\n') + 4);
  }
}

const idleTurns = 300;
/** A stream that takes this much holds nothing back. */
const tooManyBytes = 64 * 1024 * 1024;

/** Lets the event loop turn often enough for whatever can still go on to do so. */
export async function rest(): Promise<void> {
  for (let turn = 0; turn < idleTurns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Writes for as long as the stream takes it, and tells how many bytes that was when it has taken no more for many turns. */
export async function fill(stream: Writable): Promise<number> {
  const piece = Buffer.alloc(64 * 1024);
  let bytes = 0;
  let isTaken = true;
  const drained = (): void => {
    isTaken = true;
  };
  stream.on('drain', drained);
  for (let idle = 0; idle < idleTurns && bytes < tooManyBytes; idle += 1) {
    if (isTaken) {
      isTaken = stream.write(piece);
      bytes += piece.length;
      idle = 0;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  stream.off('drain', drained);
  return bytes;
}
