import type { Writable } from 'node:stream';
import { expect } from 'chai';
import { WebSocket, createWebSocketStream } from 'ws';
import { encodeFrame } from '../../../src/cri/streaming/channels.js';
import { until } from './fake-process.js';
import type { OpenStream, SpdyClient } from './spdy-client.js';
import { connectSpdy, overSocket } from './spdy-client.js';
import { StreamingWorld, fill, rest } from './streaming-world.js';

/** What the kernel, the server and the client library may hold between them of a stream that nobody reads. */
const heldBytes = 12 * 1024 * 1024;

describe('cri streaming: back-pressure', () => {
  let world: StreamingWorld;
  const closers: (() => void)[] = [];
  beforeEach(async () => {
    world = await StreamingWorld.start();
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) close();
    await world.end();
  });

  async function spdy(url: string, protocol: string): Promise<SpdyClient> {
    const client = await connectSpdy(url, [protocol]);
    closers.push(() => client.socket.destroy());
    return client;
  }
  async function webSocket(url: string, protocol: string): Promise<WebSocket> {
    const socket = new WebSocket(url, [protocol]);
    closers.push(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    return socket;
  }
  async function forwarded(client: Pick<SpdyClient, 'open'>, requestID: string) {
    const headers = { port: '80', requestID };
    const error = await client.open({ ...headers, streamType: 'error' });
    error.stream.end();
    const data = await client.open({ ...headers, streamType: 'data' });
    await until(() => world.pods.length >= Number(requestID));
    return data;
  }
  /** Fills a stream that nobody reads, then reads: all of it must come. */
  async function holdsBack(writer: Writable, reader: NodeJS.ReadableStream): Promise<void> {
    reader.pause();
    const written = await fill(writer);
    expect(written).to.be.below(heldBytes);
    let read = 0;
    reader.on('data', (piece: Buffer) => (read += piece.length));
    reader.resume();
    await until(() => read === written);
  }

  for (const kind of ['exec', 'attach'] as const) {
    it(`holds back what a client of ${kind} over WebSocket does not read`, async () => {
      const socket = await webSocket(world.exec({}, kind), 'v4.channel.k8s.io');
      socket.pause();
      const written = await fill(world.process.stdout);
      expect(written).to.be.below(heldBytes);
      let read = 0;
      socket.on('message', (message: Buffer) => (read += message.length - 1));
      socket.resume();
      await until(() => read === written);
    });

    it(`holds back what a client of ${kind} over SPDY does not read`, async () => {
      const client = await spdy(world.exec({ stdin: false, stderr: false }, kind), 'v4.channel.k8s.io');
      await client.open({ streamType: 'error' });
      const { stream } = await client.open({ streamType: 'stdout' });
      await holdsBack(world.process.stdout, stream);
    });

    it(`takes no more over WebSocket than ${kind} does`, async () => {
      const socket = await webSocket(world.exec({}, kind), 'v4.channel.k8s.io');
      const piece = encodeFrame(0, Buffer.alloc(64 * 1024));
      let sent = 0;
      for (; sent < 2 * heldBytes; sent += piece.length - 1) socket.send(piece);
      await until(() => world.process.stdin.writableNeedDrain);
      await rest();
      expect(sent - socket.bufferedAmount).to.be.below(heldBytes);
      let read = 0;
      world.process.stdin.on('data', (chunk: Buffer) => (read += chunk.length));
      await until(() => read === sent);
    });

    it(`takes no more over SPDY than ${kind} does`, async () => {
      const client = await spdy(world.exec({ stdout: false, stderr: false }, kind), 'v4.channel.k8s.io');
      await client.open({ streamType: 'error' });
      const { stream } = await client.open({ streamType: 'stdin' });
      await holdsBack(stream, world.process.stdin);
    });
  }

  for (const [how, connect] of [
    [
      'SPDY',
      async (url: string): Promise<Pick<SpdyClient, 'open' | 'connection'>> =>
        spdy(url, 'portforward.k8s.io'),
    ],
    [
      'SPDY in WebSocket messages',
      async (url: string) => overSocket(createWebSocketStream(await webSocket(url, 'v2.portforward.k8s.io'))),
    ],
  ] as const) {
    it(`holds back both ways of a forwarded connection over ${how}`, async () => {
      const { stream } = await forwarded(await connect(world.forward()), '1');
      const pod = world.pods[0] as (typeof world.pods)[0];
      await holdsBack(pod, stream);
      await holdsBack(stream, pod);
    });

    it(`lets other connections, and pings, through over ${how} while one is read by nobody`, async () => {
      const client = await connect(world.forward());
      const stopped = [await forwarded(client, '1'), await forwarded(client, '2')] as const;
      const [toPod, toClient] = stopped;
      await fill(toPod.stream);
      toClient.stream.pause();
      await fill(world.pods[1] as (typeof world.pods)[0]);
      const free: OpenStream = await forwarded(client, '3');
      const pod = world.pods[2] as (typeof world.pods)[0];
      pod.pipe(pod);
      for (const word of ['one', 'two']) {
        free.stream.write(word);
        await until(() => free.text().endsWith(word));
      }
      await new Promise<void>((resolve) => client.connection.ping(resolve));
    });
  }

  it('holds back both ways of a connection that is forwarded by channels', async () => {
    const socket = await webSocket(world.forward([80]), 'v4.channel.k8s.io');
    await until(() => world.pods.length === 1);
    const pod = world.pods[0] as (typeof world.pods)[0];
    socket.pause();
    expect(await fill(pod)).to.be.below(heldBytes);
    socket.resume();
    const piece = encodeFrame(0, Buffer.alloc(64 * 1024));
    let sent = 0;
    for (; sent < 2 * heldBytes; sent += piece.length - 1) socket.send(piece);
    await until(() => pod.readableLength > 0 || pod.readableFlowing !== true);
    await rest();
    expect(sent - socket.bufferedAmount).to.be.below(heldBytes);
    let read = 0;
    pod.on('data', (chunk: Buffer) => (read += chunk.length));
    await until(() => read === sent);
  });

  it('goes on with the next client after one that was never read', async () => {
    const client = await spdy(world.forward(), 'portforward.k8s.io');
    const { stream } = await forwarded(client, '1');
    await fill(stream);
    client.socket.destroy();
    await until(() => world.pods[0]?.destroyed === true);
    const next = await forwarded(await spdy(world.forward(), 'portforward.k8s.io'), '2');
    world.pods[1]?.write('hello');
    await until(() => next.text() === 'hello');
  });
});
