import { expect } from 'chai';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { channels, framingOf } from '../../../src/cri/streaming/channels.js';
import { until } from './fake-process.js';
import { StreamingWorld, requestHead } from './streaming-world.js';

/** Every name under which Kubernetes' servers know their channels; none at all stands for the first version. */
const commands = [
  ['v5.channel.k8s.io', 'binary', 'Status'],
  ['v4.channel.k8s.io', 'binary', 'Status'],
  ['v4.base64.channel.k8s.io', 'text', 'Status'],
  ['channel.k8s.io', 'binary', 'text'],
  ['base64.channel.k8s.io', 'text', 'text'],
  ['', 'binary', 'text'],
] as const;

describe('cri streaming: subprotocols of WebSocket', () => {
  let world: StreamingWorld;
  beforeEach(async () => {
    world = await StreamingWorld.start();
  });
  afterEach(() => world.end());

  async function connect(url: string, protocol: string) {
    const socket = protocol === '' ? new WebSocket(url) : new WebSocket(url, [protocol]);
    const framing = framingOf(protocol);
    const received: { channel: number; text: string; isBinary: boolean }[] = [];
    socket.on('message', (message: Buffer, isBinary) => {
      const { channel = -1, data = Buffer.alloc(0) } = framing.decode(message) ?? {};
      received.push({ channel, text: data.toString('latin1'), isBinary });
    });
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return { socket, received, closed };
  }

  for (const [protocol, form, outcome] of commands)
    it(`runs a command over ${protocol === '' ? 'none' : protocol}: ${form} messages, the outcome as ${outcome}`, async () => {
      const { socket, received, closed } = await connect(world.exec(), protocol);
      expect(socket.protocol).to.equal(protocol);
      const isText = form === 'text';
      const typed = Buffer.from('typ\0\xffed', 'latin1');
      socket.send(isText ? `0${typed.toString('base64')}` : Buffer.concat([Buffer.of(0), typed]));
      await until(() => world.process.stdin.readableLength === typed.length);
      expect(world.process.stdin.read()).to.deep.equal(typed);
      world.process.stdout.end('out');
      world.process.stderr.end('err');
      world.process.end(7);
      expect(await closed).to.equal(1000);
      expect(received.every(({ isBinary }) => isBinary === !isText)).to.equal(true);
      expect(received[0]).to.include({ channel: channels.stdout, text: '' });
      const told = received.pop();
      expect(told?.channel).to.equal(channels.error);
      if (outcome === 'Status') expect(told?.text).to.contain('"reason":"NonZeroExitCode"');
      else expect(told?.text).to.equal('command terminated with exit code 7');
      const texts = (channel: number) =>
        received.filter((one) => one.channel === channel).map(({ text }) => text);
      expect([texts(1).join(''), texts(2).join('')]).to.deep.equal(['out', 'err']);
    });

  it('tells that it is on its way on the lowest channel that was asked for', async () => {
    for (const [set, channel] of [
      [{}, channels.stdout],
      [{ stdout: false }, channels.stderr],
      [{ stdout: false, stderr: false }, channels.error],
    ] as const) {
      const { socket, received } = await connect(world.exec(set), 'v4.channel.k8s.io');
      await until(() => received.length > 0);
      expect(received[0]).to.include({ channel, text: '' });
      socket.terminate();
    }
  });

  for (const [protocol, isText] of [
    ['v4.channel.k8s.io', false],
    ['v4.base64.channel.k8s.io', true],
    ['', false],
  ] as const)
    it(`forwards ports over ${protocol === '' ? 'none' : protocol}`, async () => {
      const { socket, received } = await connect(world.forward([80, 443]), protocol);
      expect(socket.protocol).to.equal(protocol);
      await until(() => received.length === 4 && world.pods.length === 2);
      expect(received.map(({ channel, text }) => [channel, ...Buffer.from(text, 'latin1')])).to.deep.equal([
        [0, 80, 0],
        [1, 80, 0],
        [2, 0xbb, 1],
        [3, 0xbb, 1],
      ]);
      socket.send(isText ? `2${Buffer.from('ping').toString('base64')}` : Buffer.from('\x02ping'));
      const pod = world.pods[1];
      await until(() => (pod?.readableLength ?? 0) > 0);
      expect(String(pod?.read())).to.equal('ping');
      pod?.write('pong');
      await until(() => received.length > 4);
      expect(received[4]).to.include({ channel: 2, text: 'pong', isBinary: !isText });
    });

  it('refuses more ports than channels have numbers, by the field', async () => {
    const url = world.forward(Array.from({ length: 33 }, (_, index) => index + 1));
    const headers = {
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    };
    const client = await world.send(url, requestHead(url, headers));
    await until(() => client.received().includes('\r\n\r\n'));
    expect(client.received())
      .to.contain(' 400 ')
      .and.to.contain('port: v4.channel.k8s.io has channels for 32');
  });

  it('has text that decodes to what was encoded, and takes nothing else for a message', () => {
    const framing = framingOf('v4.base64.channel.k8s.io');
    fc.assert(
      fc.property(fc.nat(4), fc.uint8Array(), (channel, data) => {
        const decoded = framing.decode(Buffer.from(framing.encode(channel, data)));
        expect(decoded).to.deep.equal({ channel, data: Buffer.from(data) });
      }),
    );
    for (const text of ['', '0!', '0a b', '/QQ==', '0QQ==QQ'])
      expect(framing.decode(Buffer.from(text)), text).to.equal(undefined);
    // Node is as forgiving here as Kubernetes' clients are: padding may be missing.
    expect(framing.decode(Buffer.from('0QQ'))?.data.toString()).to.equal('A');
  });
});
