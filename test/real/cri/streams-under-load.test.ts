import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { Socket } from 'node:net';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { encodeFrame } from '../../../src/cri/streaming/channels.js';
import { createProcesses } from '../../../src/host/processes.js';
import { newExecRequest, newExecSyncRequest } from '../../../src/ports/cri/messages.js';
import type { ExecRequest } from '../../../src/ports/cri/messages.js';
import { connectSpdy } from '../../cri/streaming/spdy-client.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const bytes = 256 * 1024 * 1024;
const pieceBytes = 64 * 1024;
const line = '0123456789abcdef\n';
const mostGrowthKiB = 64 * 1024;

describe('cri streaming: much data, and clients that go (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  let id = '';
  let daemon = 0;
  before(async () => {
    node = await startRealNode({ as: 'child' });
    pods = await PodClient.on(node);
    id = await pods.run(await pods.runPod());
    const found = (await createProcesses().list()).find(({ argv }) =>
      argv.includes(`${node.dir}/config.yaml`),
    );
    daemon = found?.identity.pid ?? 0;
  });
  after(() => node?.dispose());

  const urlOf = async (set: Partial<ExecRequest>): Promise<string> =>
    (await node.cri.runtime.Exec(newExecRequest({ container_id: id, ...set }), node.ctx)).url;
  const memoryKiB = (field: 'VmHWM' | 'VmRSS'): number =>
    Number(new RegExp(`${field}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${daemon}/status`, 'utf8'))?.[1]);
  /** How far the daemon's memory rises above what it is now while `work` is done, KiB. */
  async function growthKiB(work: () => Promise<void>): Promise<number> {
    // Takes the peak back to what is used now, proc(5).
    fs.writeFileSync(`/proc/${daemon}/clear_refs`, '5');
    const before = memoryKiB('VmRSS');
    await work();
    return memoryKiB('VmHWM') - before;
  }
  /** What `yes` prints of the line, as far as was asked for. */
  const expected = (): string => {
    const hash = createHash('sha256');
    const block = Buffer.from(line.repeat(pieceBytes));
    for (let at = 0; at < bytes; at += block.length) hash.update(block.subarray(0, bytes - at));
    return hash.digest('hex');
  };
  const printing = ['sh', '-c', `yes ${line.trim()} | head -c ${bytes}`];

  it(`takes ${bytes} bytes over WebSocket whole, in bounded memory`, async () => {
    let told = '';
    const growth = await growthKiB(async () => {
      const url = await urlOf({ cmd: ['sha256sum'], stdin: true, stdout: true });
      const socket = new WebSocket(url, ['v5.channel.k8s.io']);
      socket.on('message', (message: Buffer) => message[0] === 1 && (told += message.toString('utf8', 1)));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await new Promise((resolve) => socket.once('open', resolve));
      const block = Buffer.from(line.repeat(pieceBytes)).subarray(0, line.length * 4096);
      for (let at = 0; at < bytes; at += block.length) {
        const piece = encodeFrame(0, block.subarray(0, bytes - at));
        await new Promise((resolve) => socket.send(piece, resolve));
      }
      socket.send(Buffer.of(255, 0));
      await closed;
    });
    expect(told).to.contain(expected());
    expect(growth).to.be.below(mostGrowthKiB);
  });

  it(`sends ${bytes} bytes over SPDY whole, in bounded memory`, async () => {
    const hash = createHash('sha256');
    const growth = await growthKiB(async () => {
      const client = await connectSpdy(await urlOf({ cmd: printing, stdout: true }), ['v4.channel.k8s.io']);
      await client.open({ streamType: 'error' });
      const { stream } = await client.open({ streamType: 'stdout' });
      stream.removeAllListeners('data');
      stream.on('data', (piece: Buffer) => hash.update(piece));
      await new Promise((resolve) => stream.once('end', resolve));
      client.socket.destroy();
    });
    expect(hash.digest('hex')).to.equal(expected());
    expect(growth).to.be.below(mostGrowthKiB);
  });

  const sleepers = async (): Promise<string[]> =>
    (await pods.shell(id, 'ps -o args')).match(/^sleep 78\d\d/gm) ?? [];
  /** Children in the foreground, in the background, and in a session of their own. */
  const family = (number: number) =>
    `setsid sleep 78${number}1 & sleep 78${number}2 & trap "" HUP TERM; sleep 78${number}3`;

  for (const [transport, tty, how] of [
    ['WebSocket', false, 'closes'],
    ['WebSocket', true, 'resets'],
    ['SPDY', true, 'closes'],
    ['SPDY', false, 'resets'],
  ] as const)
    it(`ends the process tree ${tty ? 'in' : 'without'} a terminal when a client over ${transport} ${how} its connection`, async () => {
      const url = await urlOf({ cmd: ['sh', '-c', family(1)], stdin: true, stdout: true, tty });
      let socket: Socket;
      if (transport === 'SPDY') {
        const client = await connectSpdy(url, ['v4.channel.k8s.io']);
        for (const streamType of ['error', 'stdin', 'stdout', ...(tty ? ['resize'] : [])])
          await client.open({ streamType });
        socket = client.socket as Socket;
      } else {
        const client = new WebSocket(url, ['v4.channel.k8s.io']);
        client.on('error', () => undefined);
        await new Promise((resolve) => client.once('open', resolve));
        socket = (client as unknown as { _socket: Socket })._socket;
      }
      await waitFor('the family', async () => (await sleepers()).length === 3);
      if (how === 'resets') socket.resetAndDestroy();
      else socket.destroy();
      await waitFor('its end', async () => (await sleepers()).length === 0);
    });

  it('leaves a daemon alone that has left the tree of its exec, as the other runtimes do', async () => {
    const socket = new WebSocket(
      await urlOf({ cmd: ['sh', '-c', '(setsid sleep 7891 &); sleep 7892'], stdout: true }),
      ['v4.channel.k8s.io'],
    );
    await new Promise((resolve) => socket.once('open', resolve));
    await waitFor('both', async () => (await sleepers()).length === 2);
    // Its parent has ended: it is a child of process 1 by now.
    socket.terminate();
    await waitFor('the end of the other', async () => !(await sleepers()).includes('sleep 7892'));
    expect(await sleepers()).to.deep.equal(['sleep 7891']);
    const processes = createProcesses();
    const left = (await processes.list()).find(({ argv }) => argv.join(' ') === 'sleep 7891');
    if (left !== undefined) processes.kill(left.identity, 9);
    await waitFor('nobody', async () => (await sleepers()).length === 0);
  });

  it('ends the whole tree of an ExecSync that prints too much', async () => {
    const cmd = ['sh', '-c', 'setsid sleep 7861 & trap "" TERM PIPE; sleep 7862 & yes'];
    const error = await failure(
      node.cri.runtime.ExecSync(newExecSyncRequest({ container_id: id, cmd }), node.ctx),
    );
    expect(error).to.include({ kind: 'exhausted' });
    expect(error.message).to.contain('16776192 bytes');
    await waitFor('their end', async () => (await sleepers()).length === 0);
  });

  it('ends the whole tree of an ExecSync at its timeout, also what ignores signals or has a session of its own', async () => {
    const cmd = ['sh', '-c', family(5)];
    const request = newExecSyncRequest({ container_id: id, cmd, timeout: '1' });
    expect(await failure(node.cri.runtime.ExecSync(request, node.ctx))).to.include({ kind: 'deadline' });
    await waitFor('their end', async () => (await sleepers()).length === 0);
  });

  it('ends a session in a terminal whose program reads nothing of what was pasted', async () => {
    const cmd = ['sh', '-c', 'sleep 2; exit 5'];
    const socket = new WebSocket(await urlOf({ cmd, stdin: true, stdout: true, tty: true }), [
      'v4.channel.k8s.io',
    ]);
    let told = '';
    socket.on('message', (message: Buffer) => message[0] === 3 && (told += message.toString('utf8', 1)));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(encodeFrame(0, Buffer.alloc(1024 * 1024, 'a long line, ')));
    await closed;
    expect(told).to.contain('"message":"5"');
  });
});
