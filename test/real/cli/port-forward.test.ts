import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { expect } from 'chai';
import { AgentClient } from '../agent/agent-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { cli, cliArgv, watch } from './nodelet-cli.js';
import type { Watched } from './nodelet-cli.js';

const echo = (port: number) => `exec nc -ll -p ${port} -e cat`;

describe('port-forward: from this machine into pods', () => {
  let node: RealNode;
  let image: string;
  let agent: AgentClient;
  const open: { kill(): void }[] = [];
  before(async () => {
    node = await startRealNode({ as: 'child' });
    image = await node.image();
    agent = new AgentClient(node);
    await pod('bridged', { script: echo(7100), ports: '[{name: echo, containerPort: 7100}]' });
    await pod('hosted', { script: 'exec sleep 1000000', spec: 'hostNetwork: true' });
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.kill();
  });
  after(() => node?.dispose());

  async function pod(
    name: string,
    {
      script,
      ports = '[]',
      spec = '',
      annotations = '{}',
    }: Record<'script', string> & Partial<Record<'ports' | 'spec' | 'annotations', string>>,
  ) {
    await agent.apply(`apiVersion: v1
kind: Pod
metadata: {name: ${name}, annotations: ${annotations}}
spec:
  terminationGracePeriodSeconds: 0
  ${spec}
  containers:
  - {name: main, image: "${image}", command: [sh, -c, ${JSON.stringify(script)}], ports: ${ports}}
`);
    await agent.ready(name);
  }
  async function forward(...args: string[]): Promise<Watched> {
    const watched = await watch({ argv: cliArgv(node, 'port-forward', ...args), stdin: false });
    open.push(watched.process);
    return watched;
  }
  /** The local port that leads to a port of the pod, once it is listened on. */
  async function localPort({ stdout, stderr }: Watched, podPort: number): Promise<number> {
    const line = new RegExp(`^Forwarding from 127\\.0\\.0\\.1:(\\d+) -> ${podPort}$`, 'm');
    await waitFor('the local port', () => line.test(stdout())).catch((thrown: Error) => {
      throw new Error(`${thrown.message}: ${stdout()}${stderr()}`);
    });
    return Number(line.exec(stdout())?.[1]);
  }
  function dial(port: number, host = '127.0.0.1'): net.Socket {
    const socket = net.connect({ host, port, allowHalfOpen: true });
    open.push({ kill: () => socket.destroy() });
    socket.on('error', () => undefined);
    return socket;
  }
  /** All that comes to the end of the other side's, which leaves this side's open. */
  function all(socket: net.Socket): Promise<Buffer> {
    const pieces: Buffer[] = [];
    socket.on('data', (piece: Buffer) => pieces.push(piece));
    return new Promise((resolve, reject) => {
      socket.once('end', () => resolve(Buffer.concat(pieces)));
      socket.once('error', reject);
    });
  }
  async function echoed(port: number, bytes: Buffer, host?: string): Promise<Buffer> {
    const socket = dial(port, host);
    socket.end(bytes);
    return all(socket);
  }
  /** Retries until the pod's server is up. */
  const serves = (port: number) =>
    waitFor(
      'the server',
      async () => (await echoed(port, Buffer.from('x')).catch(() => '')).toString() === 'x',
    );
  /** A server on this machine, which a pod on the host's network reaches as its own. */
  async function onHost(serve: (socket: net.Socket) => void): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      serve(socket);
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    open.push({ kill: () => server.close() });
    return (server.address() as net.AddressInfo).port;
  }

  it('listens on both addresses of localhost, takes names and free ports, and tells of connections', async () => {
    const watched = await forward('pod/bridged', ':echo', '0:7199');
    const port = await localPort(watched, 7100);
    await serves(port);
    expect(watched.stdout()).to.contain(`Forwarding from [::1]:${port} -> 7100\n`);
    expect((await echoed(port, Buffer.from('over six'), '::1')).toString()).to.equal('over six');
    expect(watched.stdout()).to.contain(`Handling connection for ${port}\n`);
    expect(await localPort(watched, 7199)).not.to.equal(port);
  });

  for (const [network, set] of [
    ['host', { spec: 'hostNetwork: true' }],
    ['none', { annotations: '{nodelet.dev/network: none}' }],
  ] as const)
    it(`reaches a pod with network ${network}`, async () => {
      const port = 20_000 + (randomBytes(2).readUInt16LE() % 10_000);
      await pod(`net-${network}`, { script: echo(port), ...set });
      await serves(await localPort(await forward(`net-${network}`, `:${port}`), port));
      await agent.delete(`net-${network}`, 0);
    });

  it('carries 100 connections side by side, each with bytes of its own', async () => {
    // busybox's nc lets two wait to be accepted: more at once would measure its patience.
    const podPort = await onHost((socket) => socket.pipe(socket));
    const watched = await forward('hosted', `:${podPort}`);
    const port = await localPort(watched, podPort);
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const bytes = randomBytes(64 * 1024);
        const echo = await echoed(port, bytes).catch(() => Buffer.from(watched.stderr()));
        expect(echo.equals(bytes), `one of ${echo.length} bytes: ${watched.stderr()}`).to.equal(true);
      }),
    );
  });

  it('tells of a refused port with the reason, and goes on with the others', async () => {
    const watched = await forward('bridged', ':7100', ':7198');
    const [good, bad] = [await localPort(watched, 7100), await localPort(watched, 7198)];
    await serves(good);
    const socket = dial(bad);
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
    expect(error.code).to.equal('ECONNRESET');
    const why =
      "port 7198 of the pod can't be reached: connection refused: nothing listens on port 7198 (ECONNREFUSED)";
    await waitFor('the reason', () => watched.stderr().includes(`nodelet: ${bad} -> 7198: ${why}`));
    expect((await echoed(good, Buffer.from('still'))).toString()).to.equal('still');
  });

  it('passes each half-close on by itself, and a reset as one', async () => {
    const podPort = await onHost((socket) => {
      socket.once('data', (first: Buffer) => {
        const word = first.toString();
        if (word === 'reset') return socket.resetAndDestroy();
        // Ends its side first, and tells what it reads after that to nobody but this test.
        if (word === 'end first') {
          socket.end('ended');
          void all(socket).then((rest) => heard.push(rest.toString()));
        } else void all(socket).then((rest) => socket.end(`whole: ${word}${rest.toString()}`));
      });
    });
    const heard: string[] = [];
    const port = await localPort(await forward('hosted', `:${podPort}`), podPort);
    expect((await echoed(port, Buffer.from('here first'))).toString()).to.equal('whole: here first');
    const there = dial(port);
    there.write('end first');
    expect((await all(there)).toString()).to.equal('ended');
    there.end('and more');
    await waitFor('what came after the end', () => heard.join() === 'and more');
    const reset = dial(port);
    reset.write('reset');
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => reset.once('error', resolve));
    expect(error.code).to.equal('ECONNRESET');
  });

  it('holds back whoever sends faster than is read, either way, and nobody else', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let sentBytes = 0;
    const podPort = await onHost((socket) => {
      const more = (): void => {
        let room = true;
        while (room) {
          room = socket.write(chunk);
          sentBytes += chunk.length;
        }
      };
      socket.once('data', (first: Buffer) => {
        if (first.toString() === 'ping') return socket.end('pong');
        // Nothing more is read.
        socket.pause();
        if (first.toString() === 'flood') {
          more();
          socket.on('drain', more);
        }
      });
    });
    const watched = await forward('hosted', `:${podPort}`);
    const port = await localPort(watched, podPort);
    const stands = async (count: () => number): Promise<number> => {
      let last = -1;
      let same = 0;
      await waitFor('the flow has come to a stand', async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        same = count() === last && last > 0 ? same + 1 : 0;
        last = count();
        return same >= 10;
      });
      return last;
    };
    const flooded = dial(port);
    flooded.pause().write('flood');
    expect(await stands(() => sentBytes), 'held back in the pod').to.be.below(64 * 1024 * 1024);
    const flooding = dial(port);
    flooding.write('stop');
    let takenBytes = 0;
    const pour = (): void => {
      while (flooding.write(chunk)) takenBytes += chunk.length;
      takenBytes += chunk.length;
    };
    flooding.on('drain', pour);
    pour();
    expect(await stands(() => takenBytes), 'held back here').to.be.below(64 * 1024 * 1024);
    const quick = dial(port);
    quick.write('ping');
    expect((await all(quick)).toString()).to.equal('pong');
  });

  it('ends by Ctrl-C as a signal does, and its port is free again', async () => {
    const argv = cliArgv(node, 'port-forward', 'bridged', ':7100')
      .map((word) => `'${word}'`)
      .join(' ');
    const watched = await watch({
      argv: ['sh', '-c', `trap 'echo "code $?"' EXIT; trap : INT; ${argv}`],
      stdin: true,
      terminal: { columns: 80, rows: 24, relay: false },
    });
    open.push(watched.process);
    await waitFor('the local port', () => watched.stdout().includes('Forwarding from'));
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(watched.stdout())?.[1]);
    watched.process.stdin?.write('\x03');
    expect((await watched.done).stdout).to.contain('code 130');
    const again = net.createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => again.once('listening', resolve));
    again.close();
  });

  it('ends with an error when the pod is deleted, or the daemon goes', async () => {
    await pod('leaving', { script: echo(7101) });
    const watched = await forward('leaving', ':7101');
    const port = await localPort(watched, 7101);
    await serves(port);
    const socket = dial(port);
    socket.write('x');
    await new Promise((resolve) => socket.once('data', resolve));
    const gone = new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
    await agent.delete('leaving', 0);
    await gone;
    const { exitCode, stderr } = await watched.done;
    expect(exitCode).to.equal(1);
    expect(stderr).to.match(/^nodelet: the pod is gone$/m);
    const other = await forward('bridged', ':7100');
    await localPort(other, 7100);
    await node.kill();
    expect(await other.done)
      .to.include({ exitCode: 1 })
      .and.property('stderr')
      .to.match(/nodelet: no daemon answers/);
    await node.start();
    await agent.ready('bridged');
  });

  it('refuses before it listens what can not be', async () => {
    const taken = await onHost(() => undefined);
    for (const [args, message] of [
      [['bridged', '70000'], /^nodelet: 70000: 70000 is no port/],
      [['--address', 'example.com', 'bridged', ':80'], /^nodelet: --address: "example.com" is neither/],
      [['--address', '127.0.0.1', 'bridged', `${taken}:80`], /cannot listen on 127.0.0.1: .*EADDRINUSE/],
      [['absent', ':80'], /^nodelet: pod default\/absent not found/],
      [['svc/bridged', ':80'], /^nodelet: svc is no kind that nodelet keeps/],
    ] as const) {
      const { exitCode, stdout, stderr } = await cli(node, ['port-forward', ...args]);
      expect({ exitCode, stdout }, args.join(' ')).to.deep.equal({ exitCode: 1, stdout: '' });
      expect(stderr).to.match(message);
    }
    const half = await forward('bridged', `${taken}:7100`);
    await waitFor('the other address', () =>
      half.stdout().includes(`Forwarding from [::1]:${taken} -> 7100`),
    );
    expect(half.stderr()).to.contain('not on all of localhost').and.to.contain('EADDRINUSE');
  });
});
