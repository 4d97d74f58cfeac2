import http from 'node:http';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { silentLog } from '../../../src/base/call-context.js';
import { channels, decodeFrame, encodeFrame, encodeSize } from '../../../src/cri/streaming/channels.js';
import { createStreamingServer } from '../../../src/cri/streaming/server.js';
import type { StreamingServer } from '../../../src/cri/streaming/server.js';
import { createRandom } from '../../../src/host/random.js';
import type { CommandSession } from '../../../src/ports/cri/streaming.js';
import { testClock as clock } from '../runtime-double.js';
import { FakeProcess } from './fake-process.js';

describe('cri streaming: the server', () => {
  let server: StreamingServer;
  let process: FakeProcess;
  const sockets: WebSocket[] = [];
  beforeEach(async () => {
    process = new FakeProcess();
    server = createStreamingServer({ address: '127.0.0.1:0', clock, random: createRandom(), log: silentLog });
    await server.start();
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.terminate();
    await server.stop();
  });
  const offer = (set: Partial<CommandSession> = {}): string =>
    server.offerCommand('exec', {
      stdin: true,
      stdout: true,
      stderr: true,
      tty: false,
      start: async () => process,
      ...set,
    });

  async function connect(url: string, protocol = 'v5.channel.k8s.io') {
    const socket = new WebSocket(url, [protocol]);
    sockets.push(socket);
    const received: { channel: number; text: string }[] = [];
    socket.on('message', (message: Buffer) => {
      const { channel, data } = decodeFrame(message) ?? { channel: -1, data: Buffer.alloc(0) };
      received.push({ channel, text: data.toString() });
    });
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return { socket, received, closed };
  }

  /** Status code and body of an upgrade request that is refused. */
  function upgrade(url: string, headers: Record<string, string>, method = 'GET') {
    return new Promise<{ code: number | undefined; text: string }>((resolve, reject) => {
      const request = http.request(url, { method, headers: { connection: 'Upgrade', ...headers } });
      request.once('response', (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.once('end', () => resolve({ code: response.statusCode, text }));
      });
      request.once('error', reject);
      request.end();
    });
  }

  it('joins streams and client, ends stdin alone, and tells the exit code last', async () => {
    const { socket, received, closed } = await connect(offer());
    socket.send(encodeFrame(channels.stdin, Buffer.from('typed')));
    socket.send(Buffer.of(channels.close, channels.stdin));
    let typed = '';
    for await (const chunk of process.stdin) typed += String(chunk);
    expect(typed).to.equal('typed');
    process.stdout.end('out');
    process.stderr.end('err');
    process.end(7);
    expect(await closed).to.equal(1000);
    // The first message is empty: it tells that the command is on its way.
    expect(received.shift()).to.deep.equal({ channel: channels.stdout, text: '' });
    const status = received.pop();
    expect(status?.channel).to.equal(channels.error);
    expect(status?.text).to.contain('"message":"7"');
    expect(received).to.have.deep.members([
      { channel: channels.stdout, text: 'out' },
      { channel: channels.stderr, text: 'err' },
    ]);
  });

  it('passes sizes on, the one that comes before the process too', async () => {
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const { socket } = await connect(offer({ tty: true, start: () => begun.then(() => process) }));
    socket.send(encodeSize({ columns: 100, rows: 30 }));
    socket.send(encodeSize({ columns: 101, rows: 31 }));
    await new Promise((resolve) => {
      socket.once('pong', resolve);
      socket.ping();
    });
    begin();
    while (process.sizes.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(process.sizes.at(-1)).to.deep.equal({ columns: 101, rows: 31 });
  });

  it('kills the process when its client goes away', async () => {
    const { socket } = await connect(offer());
    socket.terminate();
    expect(await process.exited).to.equal(137);
    expect(process.killed).to.equal(true);
  });

  it('takes no more from a client than the process does', async () => {
    const { socket } = await connect(offer());
    for (let round = 0; round < 64; round += 1) socket.send(encodeFrame(channels.stdin, Buffer.alloc(65536)));
    while (process.stdin.readableLength === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 1000; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(process.stdin.readableLength).to.be.below(1024 * 1024);
    let bytes = 0;
    process.stdin.on('data', (chunk: Buffer) => (bytes += chunk.length));
    while (bytes < 64 * 65536) await new Promise((resolve) => setImmediate(resolve));
  });

  it('tells a command that could not be started', async () => {
    const { received, closed } = await connect(offer({ start: () => Promise.reject(new Error('no crun')) }));
    await closed;
    expect(received.at(-1)?.text).to.contain('no crun').and.to.contain('InternalError');
  });

  it('refuses what it does not speak, by name, and keeps the URL good', async () => {
    const url = offer();
    const other = await upgrade(url, { upgrade: 'h2c' });
    expect(other.code).to.equal(400);
    expect(other.text).to.contain('\\"h2c\\" is not supported').and.to.contain('SPDY/3.1');
    const old = await upgrade(url, { upgrade: 'websocket', 'sec-websocket-protocol': 'v9.channel.k8s.io' });
    expect(old.text).to.contain('(v9.channel.k8s.io)').and.to.contain('v5.channel.k8s.io');
    const spdy = await upgrade(url, {
      upgrade: 'SPDY/3.1',
      'x-stream-protocol-version': 'v9.channel.k8s.io',
    });
    expect(spdy.text).to.contain('(v9.channel.k8s.io)');
    await connect(url);
  });

  it('refuses an unknown token', async () => {
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': 'v4.channel.k8s.io' };
    expect((await upgrade(offer().replace(/.{32}$/, '0'.repeat(32)), headers)).code).to.equal(404);
  });
});
