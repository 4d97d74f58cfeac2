import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { createProcesses } from '../../../src/host/processes.js';
import {
  newExecRequest,
  newExecSyncRequest,
  newListContainersRequest,
} from '../../../src/ports/cri/messages.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { cli, cliArgv, watch } from './nodelet-cli.js';

const manifest = (image: string) => `apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: "${image}", command: [sleep, "1000000"]}
`;

describe('exec: from the command line into a container', () => {
  let node: RealNode;
  let containerId: string;
  before(async () => {
    node = await startRealNode({ as: 'child' });
    const applied = await cli(node, ['apply', '-f', '-'], manifest(await node.image()));
    expect(applied).to.include({ exitCode: 0, stdout: 'pod/box created\n' });
    await waitFor('the container', async () => {
      const { containers } = await node.cri.runtime.ListContainers(newListContainersRequest(), node.ctx);
      containerId = containers[0]?.id ?? '';
      return containers[0]?.state === 'CONTAINER_RUNNING';
    });
    await waitFor('the agent', async () => (await cli(node, ['get', 'pods'])).stdout.includes('Running'));
  });
  after(() => node?.dispose());

  /** Command lines of what runs in the container, without the asking `ps` and zombies, which its `sleep` reaps not. */
  async function inside(): Promise<string[]> {
    const request = newExecSyncRequest({ container_id: containerId, cmd: ['ps', '-o', 'args'] });
    const { stdout } = await node.cri.runtime.ExecSync(request, node.ctx);
    return Buffer.from(stdout)
      .toString('utf8')
      .trim()
      .split('\n')
      .slice(1)
      .filter((args) => !/^(ps |\[)/.test(args));
  }
  const url = async (set: Partial<Parameters<typeof newExecRequest>[0]>): Promise<string> => {
    const request = newExecRequest({ container_id: containerId, stdout: true, ...set });
    return (await node.cri.runtime.Exec(request, node.ctx)).url;
  };

  it('passes stdin to its end, keeps stderr apart and exits as the command does', async () => {
    const script = 'cat; echo bad >&2; exit 7';
    const result = await cli(
      node,
      ['exec', '-i', 'box', '-c', 'main', '--', 'sh', '-c', script],
      'some text',
    );
    expect(result).to.deep.equal({ exitCode: 7, stdout: 'some text', stderr: 'bad\n' });
  });

  it('reads no stdin without -i', async () => {
    const { stdout } = await cli(node, ['exec', 'box', '--', 'sh', '-c', 'cat; echo done'], 'unread');
    expect(stdout).to.equal('done\n');
  });

  it('says that a command is not there', async () => {
    const { exitCode, stderr } = await cli(node, ['exec', 'box', '--', 'no-such-program']);
    expect(exitCode).to.equal(1);
    expect(stderr).to.match(/nodelet: cmd: the command can't be run: .*no-such-program/);
  });

  it('gives a terminal: sizes, Ctrl-C, exit code, and this side as it was afterwards', async () => {
    const nodelet = cliArgv(node, 'exec', '-it', 'box', '--', 'sh')
      .map((word) => `'${word}'`)
      .join(' ');
    const script = `before=$(stty -g); ${nodelet}; echo "code $?"; [ "$before" = "$(stty -g)" ] && echo restored`;
    const { process, stdout, done } = await watch({
      argv: ['sh', '-c', script],
      stdin: true,
      terminal: { columns: 90, rows: 10, relay: false },
    });
    const type = (line: string) => process.stdin?.write(line);
    await waitFor('the prompt', () => stdout().includes('# '));
    type("stty size; trap 'stty size' WINCH; while :; do sleep 0.1; done\r");
    await waitFor('the size', () => stdout().includes('10 90'));
    process.resize({ columns: 120, rows: 33 });
    await waitFor('the new size', () => stdout().includes('33 120'));
    type('\x03');
    // The quotes keep the answer apart from its question's echo.
    await waitFor('the prompt after Ctrl-C', () => {
      type("echo in''terrupted\r");
      return stdout().includes('interrupted');
    });
    type('exit 9\r');
    expect((await done).stdout).to.match(/code 9\r\n.*restored\r\n$/s);
    expect(await inside()).to.deep.equal(['sleep 1000000']);
  });

  it('runs without a terminal where this side has none', async () => {
    const script = 'test -t 0 || echo no terminal';
    const { stdout, stderr } = await cli(node, ['exec', '-it', 'box', '--', 'sh', '-c', script], '');
    expect(stdout).to.equal('no terminal\n');
    expect(stderr).to.contain('Unable to use a TTY');
  });

  for (const [how, flags] of [
    ['without a terminal', ['-i']],
    ['with a terminal', ['-it']],
  ] as const)
    it(`leaves no process in the container when its client vanishes, ${how}`, async () => {
      const { process, done } = await watch({
        argv: cliArgv(node, 'exec', ...flags, 'box', '--', 'sh', '-c', 'sleep 4711 & sleep 4712'),
        stdin: true,
        terminal: { columns: 80, rows: 24, relay: false },
      });
      await waitFor('the command', async () => (await inside()).includes('sleep 4711'));
      process.kill();
      await done;
      await waitFor('its end', async () => (await inside()).length === 1);
    });

  it('notices a client that vanishes while nobody reads what it has sent', async () => {
    const socket = new WebSocket(await url({ cmd: ['sleep', '4713'], stdin: true }), ['v5.channel.k8s.io']);
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('open', resolve));
    await waitFor('the command', async () => (await inside()).includes('sleep 4713'));
    for (let round = 0; round < 64; round += 1) socket.send(Buffer.alloc(128 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.terminate();
    await waitFor('its end', async () => (await inside()).length === 1);
  });

  it('takes a URL once', async () => {
    const once = await url({ cmd: ['true'] });
    const answers: unknown[] = [];
    for (let round = 0; round < 2; round += 1) {
      const socket = new WebSocket(once, ['v4.channel.k8s.io']);
      answers.push(
        await new Promise((resolve) => {
          socket.once('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
          socket.once('close', (code) => resolve(code));
          socket.on('error', () => undefined);
        }),
      );
    }
    expect(answers).to.deep.equal([1000, 404]);
  });

  it('carries 64 MiB there and back without keeping them', async () => {
    const daemon = (await createProcesses().list()).find(({ argv }) =>
      argv.includes(`${node.dir}/config.yaml`),
    );
    const peakKiB = () => {
      const status = fs.readFileSync(`/proc/${daemon?.identity.pid}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
    };
    const before = peakKiB();
    const sizeBytes = 64 * 1024 * 1024;
    const argv = cliArgv(node, 'exec', '-i', 'box', '--', 'cat')
      .map((word) => `'${word}'`)
      .join(' ');
    const { done } = await watch({
      argv: ['sh', '-c', `head -c ${sizeBytes} /dev/zero | ${argv} | sha256sum`],
      stdin: false,
    });
    const wanted = createHash('sha256').update(Buffer.alloc(sizeBytes)).digest('hex');
    expect((await done).stdout).to.contain(wanted);
    expect(peakKiB() - before).to.be.below(48 * 1024);
  });
});
