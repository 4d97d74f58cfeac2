import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable, Writable } from 'node:stream';
import { Attach, CoreV1Api, Exec, KubeConfig, Log, PortForward } from '@kubernetes/client-node';
import type { V1Status } from '@kubernetes/client-node';
import { expect } from 'chai';
import { newExecRequest } from '../../../src/ports/cri/messages.js';
import { waitFor } from '../real-node.js';
import { ClientWorld, echoPort, refusedPort } from './client-world.js';

/** Keeps what is written to it. */
class Kept extends Writable {
  private readonly pieces: Buffer[] = [];

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.pieces.push(Buffer.from(piece));
    done();
  }

  data(): Buffer {
    return Buffer.concat(this.pieces);
  }

  text(): string {
    return this.data().toString();
  }
}

/** As process.stdout is to this client where it is a terminal. */
class KeptTerminal extends Kept {
  columns = 97;
  rows = 13;
}

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe("Kubernetes' JavaScript client over WebSocket", () => {
  let world: ClientWorld;
  let config: KubeConfig;
  const closers: (() => void)[] = [];
  const configOf = (server: string): KubeConfig => {
    const made = new KubeConfig();
    made.loadFromOptions({
      // The client takes no plain http without this.
      clusters: [{ name: 'nodelet', server, skipTLSVerify: true }],
      users: [{ name: 'nobody' }],
      contexts: [{ name: 'nodelet', cluster: 'nodelet', user: 'nobody' }],
      currentContext: 'nodelet',
    });
    return made;
  };
  before(async () => {
    world = await ClientWorld.start({ attachers: 0 });
    config = configOf(world.url);
  });
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });
  after(() => world?.dispose());

  async function exec(
    command: string[],
    { stdin, stdout = new Kept(), tty = false }: { stdin?: Readable; stdout?: Kept; tty?: boolean } = {},
  ) {
    const stderr = new Kept();
    let ended: (status: V1Status) => void = () => undefined;
    const status = new Promise<V1Status>((resolve) => (ended = resolve));
    const socket = await new Exec(config).exec(
      'default',
      'box',
      'main',
      command,
      stdout,
      tty ? null : stderr,
      stdin ?? null,
      tty,
      ended,
    );
    closers.push(() => socket.close());
    return { socket, stdout, stderr, status };
  }
  async function attach(container: string) {
    const stdin = new PassThrough();
    const stdout = new Kept();
    const socket = await new Attach(config).attach('default', 'talk', container, stdout, null, stdin, false);
    closers.push(() => socket.close());
    return { socket, stdin, stdout };
  }
  async function forward(pod: string, port: number) {
    const input = new PassThrough();
    const output = new Kept();
    const errors = new Kept();
    const socket = await new PortForward(config).portForward('default', pod, [port], output, errors, input);
    if (typeof socket === 'function') throw new Error('the client was told not to try again');
    closers.push(() => socket.close());
    return { input, output, errors };
  }

  it('lists pods by label', async () => {
    const api = config.makeApiClient(CoreV1Api);
    const { items } = await api.listNamespacedPod({ namespace: 'default', labelSelector: 'app=box' });
    expect(items.map(({ metadata }) => metadata?.name)).to.deep.equal(['box']);
  });

  it('runs a command: stdin to its end, both outputs apart, the exit code', async () => {
    const { stdout, stderr, status } = await exec(['sh', '-c', 'cat; echo bad >&2; exit 7'], {
      stdin: Readable.from(['hello\n']),
    });
    const { reason, details } = await status;
    expect([reason, details?.causes?.[0]?.message]).to.deep.equal(['NonZeroExitCode', '7']);
    expect([stdout.text(), stderr.text()]).to.deep.equal(['hello\n', 'bad\n']);
  });

  it('says that a command is not there', async () => {
    const { status } = await exec(['no-such-program']);
    expect((await status).message).to.match(/the command can't be run: .*no-such-program/);
  });

  it('carries 10 MiB there and back whole', async () => {
    const data = randomBytes(10 * 1024 * 1024);
    const { stdout, status } = await exec(['cat'], { stdin: Readable.from([data]) });
    expect((await status).status).to.equal('Success');
    expect(sha256(stdout.data())).to.equal(sha256(data));
  });

  it('has a terminal: its size, a new size, the exit code', async () => {
    const stdin = new PassThrough();
    const stdout = new KeptTerminal();
    const { status } = await exec(['sh'], { stdin, stdout, tty: true });
    for (const [columns, rows] of [
      [97, 13],
      [110, 41],
    ] as const) {
      Object.assign(stdout, { columns, rows });
      stdout.emit('resize');
      await waitFor('the size', () => {
        stdin.write('stty size\r');
        return stdout.text().includes(`${rows} ${columns}\r\n`);
      });
    }
    stdin.write('exit 5\r');
    expect((await status).details?.causes?.[0]?.message).to.equal('5');
  });

  it('leaves no process behind when its connection breaks', async () => {
    const { socket } = await exec(['sh', '-c', 'sleep 4821 & wait']);
    await waitFor('the command', () => world.sleeps(4821));
    socket.terminate();
    await waitFor('its end', async () => !(await world.sleeps(4821)));
  });

  it('attaches two at once to a container that goes on without them', async () => {
    const clients = [await attach('main'), await attach('main')];
    await waitFor('what both hear of both', () => {
      for (const [index, { stdin }] of clients.entries()) stdin.write(`javascript-${index}\n`);
      return clients.every(({ stdout }) =>
        [0, 1].every((index) => stdout.text().includes(`got javascript-${index}`)),
      );
    });
    for (const { socket } of clients) socket.terminate();
    const { stdin, stdout } = await attach('main');
    await waitFor('the echo', () => {
      stdin.write('again\n');
      return stdout.text().includes('got again');
    });
  });

  for (const network of ['bridge', 'host', 'none'] as const)
    it(`forwards a port into a pod with network ${network}`, async () => {
      const { input, output } = await forward(network, world.echoPorts[network]);
      input.write('hello');
      await waitFor('the answer', () => output.text() === 'hello');
    });

  it('forwards 50 connections side by side', async () => {
    const all: Awaited<ReturnType<typeof forward>>[] = [];
    for (let index = 0; index < 50; index += 1) all.push(await forward('bridge', echoPort));
    for (const [index, { input }] of all.entries()) input.write(`word ${index}`);
    await waitFor('the answers', () => all.every(({ output }, index) => output.text() === `word ${index}`));
  });

  it('tells that a forwarded port is refused', async () => {
    const { output, errors } = await forward('bridge', refusedPort);
    await waitFor('the error', () =>
      /port 7999 of the pod can't be reached: connection refused/.test(errors.text()),
    );
    expect(output.text()).to.equal('');
  });

  it('follows a log', async () => {
    const lines = new Kept();
    const abort = await new Log(config).log('default', 'chat', 'main', lines, { follow: true });
    closers.push(() => abort.abort());
    // More than was there when it was asked for.
    await waitFor(
      'lines',
      () => lines.text().startsWith('line 1\nline 2\n') && lines.text().includes('line 40\n'),
    );
  });

  it('runs a command at the URL that the runtime itself gives', async () => {
    const request = newExecRequest({
      container_id: await world.containerId('box'),
      cmd: ['sh', '-c', 'echo direct; exit 3'],
      stdout: true,
      stderr: true,
    });
    const url = new URL((await world.node.cri.runtime.Exec(request, world.node.ctx)).url);
    const channels = ['', '', '', ''];
    await new Promise<void>((resolve, reject) => {
      const take = (channel: number, data: Buffer): boolean => {
        channels[channel] += data.toString();
        // The outcome is the last that comes.
        if (channel === 3) resolve();
        return channel !== 3;
      };
      new Exec(configOf(url.origin)).handler.connect(url.pathname, null, take).catch(reject);
    });
    const { details } = JSON.parse(channels[3] ?? '') as V1Status;
    expect([channels[1], details?.causes?.[0]?.message]).to.deep.equal(['direct\n', '3']);
  });
});
