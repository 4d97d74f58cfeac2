import { expect } from 'chai';
import { silentLog } from '../../../src/base/call-context.js';
import { createStreamingServer } from '../../../src/cri/streaming/server.js';
import type { StreamingServer } from '../../../src/cri/streaming/server.js';
import { createRandom } from '../../../src/host/random.js';
import type { CommandSession } from '../../../src/ports/cri/streaming.js';
import { testClock as clock } from '../runtime-double.js';
import { FakeProcess, until } from './fake-process.js';
import type { SpdyClient } from './spdy-client.js';
import { connectSpdy } from './spdy-client.js';

describe('cri streaming: commands over SPDY, by the client of spdy-transport', () => {
  let server: StreamingServer;
  let process: FakeProcess;
  const clients: SpdyClient[] = [];
  beforeEach(async () => {
    process = new FakeProcess();
    server = createStreamingServer({ address: '127.0.0.1:0', clock, random: createRandom(), log: silentLog });
    await server.start();
  });
  afterEach(async () => {
    for (const { socket } of clients.splice(0)) socket.destroy();
    await server.stop();
  });

  async function connect(set: Partial<CommandSession> = {}, protocols = ['v4.channel.k8s.io']) {
    const streams = { stdin: true, stdout: true, stderr: true, tty: false, ...set };
    const url = server.offerCommand('exec', { start: async () => process, ...streams });
    const client = await connectSpdy(url, protocols);
    clients.push(client);
    return client;
  }
  const openAll = async ({ open }: SpdyClient) => ({
    error: await open({ streamType: 'error' }),
    stdin: await open({ streamType: 'stdin' }),
    stdout: await open({ streamType: 'stdout' }),
    stderr: await open({ streamType: 'stderr' }),
  });

  it('joins the streams, passes the end of stdin on, and tells the exit code', async () => {
    const client = await connect();
    const { error, stdin, stdout, stderr } = await openAll(client);
    stdin.stream.end('typed');
    let typed = '';
    for await (const chunk of process.stdin) typed += String(chunk);
    expect(typed).to.equal('typed');
    process.stdout.end('out');
    process.stderr.end('err');
    process.end(7);
    expect(JSON.parse((await error.whole).toString())).to.deep.include({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    });
    expect((await stdout.whole).toString()).to.equal('out');
    expect((await stderr.whole).toString()).to.equal('err');
  });

  it('agrees on the newest version, and takes a client that names none', async () => {
    expect(
      (await connect({}, ['v3.channel.k8s.io', 'v5.channel.k8s.io', 'v4.channel.k8s.io'])).protocol,
    ).to.equal('v5.channel.k8s.io');
    expect((await connect({}, ['channel.k8s.io', 'v2.channel.k8s.io'])).protocol).to.equal(
      'v2.channel.k8s.io',
    );
    expect((await connect({}, [])).protocol).to.equal(undefined);
  });

  it('tells older clients of a failure by a text, and of success by nothing', async () => {
    for (const [exitCode, told] of [
      [7, 'command terminated with exit code 7'],
      [0, ''],
    ] as const) {
      process = new FakeProcess();
      const { error } = await openAll(await connect({}, ['v2.channel.k8s.io']));
      process.stdout.end();
      process.stderr.end();
      process.end(exitCode);
      expect((await error.whole).toString()).to.equal(told);
    }
  });

  it('waits for the stream of sizes of a terminal, and passes them on however they are cut', async () => {
    const { open } = await connect({ tty: true, stderr: false });
    for (const streamType of ['error', 'stdin', 'stdout']) await open({ streamType });
    const { stream } = await open({ streamType: 'resize' });
    stream.write('{"Width":100,"Hei');
    stream.write('ght":30}\n{"Width":101,"Height":31}\n');
    await until(() => process.sizes.at(-1)?.columns === 101);
    expect(process.sizes.at(-1)).to.deep.equal({ columns: 101, rows: 31 });
  });

  it('kills the process when its client goes away', async () => {
    const client = await connect();
    await openAll(client);
    process.stdout.write('x');
    await until(() => process.stdout.readableLength === 0);
    client.socket.destroy();
    expect(await process.exited).to.equal(137);
    expect(process.killed).to.equal(true);
  });

  it('refuses a stream without a use', async () => {
    const { open } = await connect();
    const { stream } = await open({ streamType: 'telepathy' });
    const error = await new Promise<Error>((resolve) => stream.once('error', resolve));
    expect(error.message).to.contain('REFUSED_STREAM');
  });

  it('holds back a process whose client reads nothing, and goes on when it does', async () => {
    const { open } = await connect({ stdin: false, stderr: false });
    await open({ streamType: 'error' });
    const { stream } = await open({ streamType: 'stdout' });
    stream.pause();
    const piece = Buffer.alloc(64 * 1024);
    let written = 0;
    const write = () => {
      process.stdout.write(piece);
      written += piece.length;
    };
    process.stdout.on('drain', write);
    write();
    await until(() => written > 1024 * 1024);
    for (let turn = 0; turn < 500; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(written).to.be.below(8 * 1024 * 1024);
    let read = 0;
    stream.on('data', (chunk: Buffer) => (read += chunk.length));
    stream.resume();
    await until(() => read > 32 * 1024 * 1024);
  });

  it('takes no more from a client than the process does', async () => {
    const { stdin } = await openAll(await connect());
    const total = 16 * 1024 * 1024;
    stdin.stream.write(Buffer.alloc(total));
    await until(() => process.stdin.readableLength > 0);
    for (let turn = 0; turn < 500; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(process.stdin.readableLength).to.be.below(1024 * 1024);
    let read = 0;
    process.stdin.on('data', (chunk: Buffer) => (read += chunk.length));
    await until(() => read === total);
  });

  it('tells a command that could not be started', async () => {
    const { error } = await openAll(await connect({ start: () => Promise.reject(new Error('no crun')) }));
    expect((await error.whole).toString())
      .to.contain('no crun')
      .and.to.contain('InternalError');
  });

  it('answers pings', async () => {
    const { connection } = await connect();
    await new Promise<void>((resolve) => connection.ping(resolve));
  });
});
