import { expect } from 'chai';
import { WebSocket } from 'ws';
import { SimClock } from '../../sim/clock.js';
import { FakeProcess, until } from './fake-process.js';
import type { SpdyClient } from './spdy-client.js';
import { connectSpdy } from './spdy-client.js';
import { StreamingWorld, requestHead } from './streaming-world.js';

const fourHoursMs = 4 * 3600 * 1000;
const ping = Buffer.from('8003000600000004', 'hex');

describe('cri streaming: limits of time', () => {
  let world: StreamingWorld;
  let clock: SimClock;
  beforeEach(async () => {
    clock = new SimClock();
    world = await StreamingWorld.start({ clock });
  });
  afterEach(() => world.end());

  async function webSocket(url: string, protocol = 'v4.channel.k8s.io') {
    const socket = new WebSocket(url, [protocol]);
    const seen = { pings: 0, code: 0 };
    socket.on('ping', () => (seen.pings += 1));
    socket.once('close', (code) => (seen.code = code));
    await new Promise((resolve) => socket.once('open', resolve));
    return { socket, seen };
  }
  /** Lets time pass in steps, so that what goes over the socket meanwhile arrives. */
  async function pass(ms: number, steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) await clock.advance(ms / steps);
  }

  /** What the client has sent so far has come to the server. */
  const arrived = ({ connection }: SpdyClient) => new Promise<void>((resolve) => connection.ping(resolve));

  it('pings clients over WebSocket and SPDY every three seconds', async () => {
    const { socket, seen } = await webSocket(world.exec());
    const spdy = await world.spdy(world.forward(), 'portforward.k8s.io');
    await pass(30_000, 10);
    await until(() => seen.pings === 10);
    const pings = () => spdy.frames().toString('hex').split(ping.toString('hex')).length - 1;
    await until(() => pings() === 10);
    socket.terminate();
  });

  it('end connections on which nothing moves for four hours, and the processes behind them', async () => {
    const { seen } = await webSocket(world.exec());
    const [idle, busy] = [new FakeProcess(), new FakeProcess()];
    const clients: SpdyClient[] = [];
    for (const process of [idle, busy]) {
      const start = async () => process;
      const url = world.exec({ start, stdin: false, stderr: false });
      const client = await connectSpdy(url, ['v4.channel.k8s.io']);
      clients.push(client);
      await client.open({ streamType: 'error' });
      await client.open({ streamType: 'stdout' });
      await arrived(client);
    }
    await pass(fourHoursMs - 60_000, 4);
    busy.stdout.write('something');
    expect([seen.code, idle.killed, world.process.killed]).to.deep.equal([0, false, false]);
    await pass(120_000, 10);
    await until(() => seen.code === 1001 && world.process.killed && idle.killed);
    expect(busy.killed, 'the one that said something').to.equal(false);
    for (const { socket } of clients) socket.destroy();
  }).timeout(60_000);

  it('tell a client that does not open its streams within half a minute, and start nothing', async () => {
    let started = 0;
    const start = async () => ((started += 1), world.process);
    const client = await connectSpdy(world.exec({ start }), ['v4.channel.k8s.io']);
    const error = await client.open({ streamType: 'error' });
    await client.open({ streamType: 'stdin' });
    await arrived(client);
    await pass(29_000, 10);
    expect(error.text()).to.equal('');
    await pass(2000, 10);
    expect((await error.whole).toString()).to.contain('in time: stdout, stderr missing');
    expect(started).to.equal(0);
    await pass(10_000, 10);
    await until(() => client.socket.destroyed);
  });

  it('end a connection of a client that opens no stream at all', async () => {
    const client = await world.spdy(world.exec(), 'v4.channel.k8s.io');
    await pass(31_000, 10);
    client.socket.end();
    await client.closed;
  });

  it('tell a client that opens half of a forwarded connection, within half a minute', async () => {
    const client = await connectSpdy(world.forward(), ['portforward.k8s.io']);
    const error = await client.open({ streamType: 'error', port: '80', requestID: '1' });
    const { stream } = await client.open({ streamType: 'data', port: '81', requestID: '2' });
    const closed = new Promise((resolve) => stream.once('close', resolve));
    await arrived(client);
    await pass(31_000, 10);
    expect((await error.whole).toString()).to.contain('both streams of its connection to port 80');
    await closed;
    expect(world.pods).to.have.length(0);
    client.socket.destroy();
  });

  it('give a refused client two seconds to read why', async () => {
    const client = await world.send(world.exec(), requestHead(`${world.exec()}x`, { upgrade: 'h2c' }));
    await until(() => client.received().includes('"code":404'));
    expect(client.socket.destroyed).to.equal(false);
    await clock.advance(2000);
    await client.closed;
  });
});
