import fs from 'node:fs';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import {
  newAttachRequest,
  newExecRequest,
  newReopenContainerLogRequest,
  newStopContainerRequest,
} from '../../../src/ports/cri/messages.js';
import type { AttachRequest, ContainerConfig } from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import type { StreamClient } from '../stream-client.js';
import { overSpdy, overWebSocket } from '../stream-client.js';

const streams = { stdin: true, stdout: true, stderr: true };
const output = { stdout: true, stderr: true };
/** Prints what it reads, tells of its end, and stays. */
const echo = ['sh', '-c', 'while read line; do echo "got $line"; done; echo "stdin has ended"; sleep 1000'];

describe('pods: attach (real crun and conmon)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox: string;
  const clients: StreamClient[] = [];
  before(async () => {
    // Longer than the path of a socket may be.
    node = await startRealNode({ as: 'child' });
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.vanish();
  });
  after(() => node?.dispose());

  const run = (set: Partial<ContainerConfig>) => pods.run(sandbox, { command: echo, stdin: true, ...set });
  const urlOf = async (id: string, set: Partial<AttachRequest>): Promise<string> =>
    (await node.cri.runtime.Attach(newAttachRequest({ container_id: id, ...set }), node.ctx)).url;
  async function attachSpdy(id: string, set: Partial<AttachRequest> = streams): Promise<StreamClient> {
    const named = (['stdin', 'stdout', 'stderr'] as const).filter((name) => set[name] === true);
    const client = await overSpdy(await urlOf(id, set), set.tty === true ? [...named, 'resize'] : named);
    clients.push(client);
    return client;
  }
  async function attachWebSocket(id: string, set: Partial<AttachRequest> = streams): Promise<StreamClient> {
    const client = await overWebSocket(await urlOf(id, set));
    clients.push(client);
    return client;
  }
  /** Types until it has arrived: what is printed before the attachment stands is for the log alone. */
  async function typed(client: StreamClient, text: string): Promise<void> {
    client.type(`${text}\n`);
    await waitFor(`the echo of ${text}`, () => client.stdout().includes(`got ${text}`));
  }

  for (const [how, attach] of [
    ['SPDY', attachSpdy],
    ['WebSocket', attachWebSocket],
  ] as const)
    it(`joins stdin and both outputs over ${how}, and ends as the container does`, async () => {
      const id = await run({
        command: ['sh', '-c', 'read line; echo "out $line"; echo "err $line" >&2; exit 3'],
      });
      const client = await attach(id);
      client.type('hello\n');
      expect(await client.status).to.include({ status: 'Success' });
      expect([client.stdout(), client.stderr()]).to.deep.equal(['out hello\n', 'err hello\n']);
      expect((await pods.exited(id)).exit_code).to.equal(3);
      expect(await pods.logText(id), 'the log has it too')
        .to.include('out hello')
        .and.to.include('err hello');
    });

  it('keeps a stdin open that is not to be closed, for one client after the other', async () => {
    const id = await run({});
    const first = await attachSpdy(id);
    await typed(first, 'one');
    first.endStdin();
    first.vanish();
    const second = await attachWebSocket(id);
    await typed(second, 'two');
    expect(second.stdout()).not.to.contain('stdin has ended');
    expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
  });

  it('ends a stdin that is open once with what its first client sends', async () => {
    const id = await run({ stdin_once: true });
    const client = await attachSpdy(id);
    client.type('hello\n');
    client.endStdin();
    await waitFor('the end of stdin', () => client.stdout() === 'got hello\nstdin has ended\n');
  });

  it('ends a stdin that is open once when its first client goes away', async () => {
    const id = await run({ stdin_once: true });
    const client = await attachSpdy(id);
    await typed(client, 'hello');
    client.vanish();
    await waitFor('the end of stdin', async () => (await pods.logText(id)).includes('stdin has ended'));
  });

  it('does not end it when one goes that only listened', async () => {
    const id = await run({ stdin_once: true });
    const listener = await attachSpdy(id, output);
    const client = await attachSpdy(id);
    await typed(client, 'one');
    await waitFor('what the other hears', () => listener.stdout().includes('got one'));
    listener.vanish();
    await typed(client, 'two');
    expect(client.stdout()).not.to.contain('ended');
  });

  it('serves several at once, each with all of the output', async () => {
    const id = await run({});
    const all = [await attachSpdy(id), await attachSpdy(id), await attachWebSocket(id)];
    // Typed again and again: conmon may take the last of them in after the first has been answered.
    await waitFor('all output', () => {
      for (const [index, client] of all.entries()) client.type(`from ${index}\n`);
      return all.every((client) => [0, 1, 2].every((index) => client.stdout().includes(`got from ${index}`)));
    });
  });

  it('joins a terminal, with its size and its keys', async () => {
    const command = [
      'sh',
      '-c',
      'trap "stty size" WINCH; trap "echo stopped" INT; while :; do sleep 0.1; done',
    ];
    const id = await run({ command, tty: true });
    const client = await attachSpdy(id, { stdin: true, stdout: true, tty: true });
    client.resize({ columns: 101, rows: 31 });
    await waitFor('the size', () => client.stdout().includes('31 101'));
    client.type('\x03');
    await waitFor('the key', () => client.stdout().includes('stopped'));
    const other = await attachWebSocket(id, { stdout: true, tty: true });
    other.resize({ columns: 120, rows: 40 });
    await waitFor(
      'the other size',
      () => client.stdout().includes('40 120') && other.stdout().includes('40 120'),
    );
  });

  it('carries much both ways whole', async () => {
    const bytes = 4 * 1024 * 1024;
    const id = await run({
      command: ['sh', '-c', `head -c ${bytes} | wc -c; yes 1234567 | head -c ${bytes}; sleep 1000`],
    });
    const client = await attachSpdy(id);
    for (let sent = 0; sent < bytes; sent += 65_536) client.type('x'.repeat(65_536));
    await waitFor('all of it', () => client.stdout().length >= bytes + `${bytes}\n`.length);
    expect(client.stdout()).to.equal(`${bytes}\n${'1234567\n'.repeat(bytes / 8)}`);
  });

  it('lets go of a client that reads nothing, so that the container and its log go on', async () => {
    const id = await run({
      command: ['sh', '-c', 'read line; yes 1234567 | head -c 16000000; echo; echo finished; sleep 1000'],
    });
    const socket = new WebSocket(await urlOf(id, streams), ['v4.channel.k8s.io']);
    let told = '';
    socket.on('message', (message: Buffer) => message[0] === 3 && (told += message.toString('utf8', 1)));
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(Buffer.from('\0go\n'));
    socket.pause();
    const { log_path: path } = await pods.status(id);
    const isWhole = () => fs.readFileSync(path).subarray(-100).includes('finished');
    await waitFor('the rest of the log', isWhole, 60_000);
    expect(await pods.logText(id)).to.equal(`${'1234567\n'.repeat(2_000_000)}\nfinished`);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await closed;
    expect(told).to.contain('taken none of the container').and.to.contain('is detached');
  });

  it('is there again after a restart of the daemon', async () => {
    const id = await run({});
    const before = await attachSpdy(id);
    await typed(before, 'one');
    await node.kill();
    await node.start();
    await typed(await attachSpdy(id), 'two');
  });

  it('goes on in the new log after a rotation, attached or not', async () => {
    const id = await run({});
    const client = await attachSpdy(id);
    await typed(client, 'one');
    const { log_path: path } = await pods.status(id);
    fs.renameSync(path, `${path}.1`);
    await node.cri.runtime.ReopenContainerLog(newReopenContainerLogRequest({ container_id: id }), node.ctx);
    await typed(client, 'two');
    await waitFor('the new log', async () => (await pods.logText(id)) === 'got two');
    expect(fs.readFileSync(`${path}.1`, 'utf8'))
      .to.contain('got one')
      .and.not.to.contain('got two');
  });

  it('refuses by field what can not be', async () => {
    const id = await pods.run(sandbox, { command: ['sleep', '1000'] });
    const refusal = async (set: Partial<AttachRequest>) => (await failure(urlOf(id, set))).message;
    expect(await refusal({ stdin: true, stdout: true })).to.match(/^stdin: .*without a stdin/);
    expect(await refusal({ stdout: true, tty: true })).to.match(/^tty: .*without a terminal/);
    expect(await refusal({ stdout: true, stderr: true, tty: true })).to.match(/^stderr:/);
    expect(await refusal({})).to.match(/^stdout: at least one/);
    expect(await failure(urlOf('0123456789ab', output))).to.include({ kind: 'not-found' });
    await node.cri.runtime.StopContainer(newStopContainerRequest({ container_id: id }), node.ctx);
    for (const call of [
      urlOf(id, output),
      node.cri.runtime.Exec(newExecRequest({ container_id: id, cmd: ['true'], stdout: true }), node.ctx),
      node.cri.runtime.ReopenContainerLog(newReopenContainerLogRequest({ container_id: id }), node.ctx),
    ]) {
      const error = await failure(call);
      expect(error).to.include({ kind: 'wrong-state' });
      expect(error.message).to.match(/^container_id:/);
    }
  });
});
