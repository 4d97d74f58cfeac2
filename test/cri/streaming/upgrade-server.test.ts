import { expect } from 'chai';
import { WebSocket } from 'ws';
import { SimClock } from '../../sim/clock.js';
import { until } from './fake-process.js';
import { StreamingWorld, requestHead } from './streaming-world.js';

const handshake = {
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': Buffer.alloc(16).toString('base64'),
};
const v4 = { ...handshake, 'sec-websocket-protocol': 'v4.channel.k8s.io' };

describe('cri streaming: requests that become no connection', () => {
  let world: StreamingWorld;
  let clock: SimClock;
  beforeEach(async () => {
    clock = new SimClock();
    world = await StreamingWorld.start({ clock, maxConnections: 4 });
  });
  afterEach(() => world.end());

  /** The Status that the server answers before it closes. */
  async function refusal(url: string, text: string) {
    const client = await world.send(url, text);
    client.socket.end();
    await client.closed;
    const [head = '', body = '{}'] = client.received().split('\r\n\r\n');
    expect(head).to.match(/^HTTP\/1\.1 \d+ /);
    const status = JSON.parse(body) as { kind: string; code: number; reason: string; message: string };
    expect(status.kind).to.equal('Status');
    expect(head).to.contain(` ${status.code} `);
    return status;
  }

  it('are refused when their headers do not end', async () => {
    const url = world.exec();
    const slow = await world.send(url, requestHead(url, v4).slice(0, -2));
    const silent = await world.send(url, '');
    for (let second = 0; second < 9; second += 1) {
      slow.socket.write(`x-${second}: y\r\n`);
      await clock.advance(1000);
    }
    expect(slow.received()).to.equal('');
    await clock.advance(1000);
    await until(() => slow.received().includes('"code":408'));
    await until(() => silent.received().includes('"code":408'));
    // They read the answer and stay: that doesn't keep the connection.
    await clock.advance(2000);
    await Promise.all([slow.closed, silent.closed]);
  });

  it('are refused for headers without measure', async () => {
    const url = world.exec();
    const status = await refusal(url, requestHead(url, { ...v4, 'x-long': 'y'.repeat(20_000) }));
    expect(status).to.include({ code: 431, reason: 'RequestHeaderFieldsTooLarge' });
    expect(status.message).to.contain('16384 bytes');
  });

  it('are refused when they are no HTTP, or ask for no upgrade', async () => {
    const url = world.exec();
    expect(await refusal(url, 'hello?\r\n\r\n')).to.include({ code: 400, reason: 'BadRequest' });
    const plain = await refusal(url, `GET ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect(plain.message).to.contain('only upgrades').and.not.to.contain(new URL(url).pathname.slice(-32));
    const posted = 'POST /exec/00 HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nabc';
    expect(await refusal(url, posted)).to.include({ code: 400 });
  });

  it('are refused with a body, which would be taken for the connection', async () => {
    const url = world.exec();
    const spdy = { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' };
    const long = await refusal(url, `${requestHead(url, { ...spdy, 'content-length': '5' }, 'POST')}12345`);
    expect(long.message).to.match(/^content-length: .*no body/);
    const chunked = { ...spdy, 'transfer-encoding': 'chunked' };
    expect((await refusal(url, requestHead(url, chunked, 'POST'))).message).to.match(/^transfer-encoding:/);
    // Go's clients say that their POST has none.
    const none = await world.send(url, requestHead(url, { ...spdy, 'content-length': '0' }, 'POST'));
    await until(() => none.received().startsWith('HTTP/1.1 101 '));
  });

  it('are refused as WebSocket handshakes by the header at fault, and cost neither the URL nor the next client', async () => {
    const url = world.exec();
    for (const [field, headers, method] of [
      ['method', v4, 'POST'],
      ['sec-websocket-version', { ...v4, 'sec-websocket-version': '7' }, 'GET'],
      ['sec-websocket-key', { ...v4, 'sec-websocket-key': 'short' }, 'GET'],
    ] as const)
      expect((await refusal(url, requestHead(url, headers, method))).message).to.match(
        new RegExp(`^${field}: `),
      );
    const socket = new WebSocket(url, ['v5.channel.k8s.io']);
    await new Promise((resolve) => socket.once('open', resolve));
    expect(socket.protocol).to.equal('v5.channel.k8s.io');
    socket.terminate();
  });

  it('are refused while too many connections are open, and served when one has gone', async () => {
    const sockets = [1, 2, 3, 4].map(() => new WebSocket(world.exec(), ['v4.channel.k8s.io']));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('open', resolve))));
    const url = world.exec();
    const status = await refusal(url, requestHead(url, v4));
    expect(status).to.include({ code: 429, reason: 'TooManyRequests' });
    expect(status.message).to.contain('4 streaming connections');
    sockets[0]?.terminate();
    for (;;) {
      const client = await world.send(url, requestHead(url, v4));
      await until(() => client.received().includes('\r\n\r\n'));
      if (client.received().startsWith('HTTP/1.1 101 ')) break;
      expect(client.received()).to.contain('"code":429');
    }
    for (const socket of sockets) socket.terminate();
  });
});

describe('cri streaming: tokens of sessions', () => {
  let world: StreamingWorld;
  let clock: SimClock;
  beforeEach(async () => {
    clock = new SimClock();
    world = await StreamingWorld.start({ clock });
  });
  afterEach(() => world.end());
  const answer = async (url: string): Promise<string> => {
    const client = await world.send(url, requestHead(url, v4));
    await until(() => client.received().includes('\r\n\r\n'));
    return client.received().slice(9, 12);
  };

  it('are good once, also when two come at the same time', async () => {
    const url = world.exec();
    expect((await Promise.all([answer(url), answer(url)])).sort()).to.deep.equal(['101', '404']);
    expect(await answer(url)).to.equal('404');
  });

  it('are good for a minute', async () => {
    const [early, late] = [world.exec(), world.exec()];
    await clock.advance(59_000);
    expect(await answer(early)).to.equal('101');
    await clock.advance(1000);
    expect(await answer(late)).to.equal('404');
  });

  it('are good for what they were given for alone', async () => {
    const url = world.exec();
    for (const path of ['attach', 'portforward', 'run', 'exec/exec'])
      expect(await answer(url.replace('/exec/', `/${path}/`)), path).to.equal('404');
    for (const wrong of [
      url.slice(0, -1),
      `${url}0`,
      `${url}/`,
      url.replace(/.{32}$/, ''),
      `${url.slice(0, -32)}${'0'.repeat(32)}`,
    ])
      expect(await answer(wrong), wrong).to.equal('404');
    expect(await answer(url)).to.equal('101');
  });

  it('are good no more once the server has stopped', async () => {
    const url = world.exec();
    await world.server.stop();
    await world.server.start();
    const again = new URL(world.exec());
    expect(await answer(`${again.origin}${new URL(url).pathname}`)).to.equal('404');
  });

  it('are refused when a thousand wait', async () => {
    for (let count = 0; count < 1000; count += 1) world.exec();
    expect(() => world.exec())
      .to.throw()
      .with.property('kind', 'exhausted');
    await clock.advance(60_000);
    expect(await answer(world.exec())).to.equal('101');
  });
});
