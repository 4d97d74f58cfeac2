import path from 'node:path';
import { expect } from 'chai';
import { watch } from '../cli/nodelet-cli.js';
import type { Watched } from '../cli/nodelet-cli.js';
import { waitFor } from '../real-node.js';
import { repositoryDir } from '../test-registry.js';
import { ClientWorld, echoPort, refusedPort } from './client-world.js';

describe("Kubernetes' Python client: kubernetes.stream and watch", () => {
  let world: ClientWorld;
  before(async () => {
    world = await ClientWorld.start({ attachers: 0 });
  });
  after(() => world?.dispose());

  // Debian's own Python, which has Debian's packages.
  const start = (...args: string[]): Promise<Watched> =>
    watch({
      argv: [
        '/usr/bin/python3',
        path.join(repositoryDir, 'test/real/clients/python_client.py'),
        world.url,
        ...args,
      ],
      stdin: false,
    });
  const ask = async (...args: string[]): Promise<unknown> => {
    const { exitCode, stdout, stderr } = await (await start(...args)).done;
    if (exitCode !== 0) throw new Error(`python_client.py ${args.join(' ')} failed: ${stderr}`);
    return JSON.parse(stdout);
  };

  it('lists pods by label', async () => {
    expect(await ask('pods', 'app in (box),!other')).to.deep.equal({ names: ['box'], phases: ['Running'] });
  });

  it('runs a command: stdin, both outputs apart, the exit code', async () => {
    expect(await ask('run', 'read line; echo "$line"; echo bad >&2; exit 7')).to.deep.equal({
      stdout: 'hello\n',
      stderr: 'bad\n',
      code: 7,
    });
  });

  it('ends without an exit code where the command is not there', async () => {
    expect(await ask('missing')).to.deep.equal({ code: null });
  });

  it('carries 10 MiB there and back whole', async () => {
    const size = 10 * 1024 * 1024;
    const { sent, got, count, code } = (await ask('much', String(size))) as Record<string, unknown>;
    expect([count, code]).to.deep.equal([size, 0]);
    expect(got).to.equal(sent);
  });

  it('has a terminal: its size, a new size, the exit code', async () => {
    expect(await ask('terminal')).to.deep.equal({ sizes: ['13 97', '41 110'], code: 5 });
  });

  it('leaves no process behind when it is killed', async () => {
    const { process, done } = await start('run', 'sleep 4811 & wait');
    await waitFor('the command', () => world.sleeps(4811));
    process.kill();
    await done;
    await waitFor('its end', async () => !(await world.sleeps(4811)));
  });

  it('attaches two at once to a container that goes on without them', async () => {
    expect(await ask('attach')).to.deep.equal({ heard: true });
    expect(await ask('attach')).to.deep.equal({ heard: true });
  });

  for (const network of ['bridge', 'host', 'none'] as const)
    it(`forwards a port into a pod with network ${network}`, async () => {
      expect(await ask('forward', network, String(world.echoPorts[network]), '1')).to.deep.equal({
        answers: ['word 0'],
        errors: [],
      });
    });

  it('forwards 50 connections side by side', async () => {
    const answers = Array.from({ length: 50 }, (_, index) => `word ${index}`);
    expect(await ask('forward', 'bridge', String(echoPort), '50')).to.deep.equal({ answers, errors: [] });
  });

  it('tells that a forwarded port is refused', async () => {
    const { answer, error } = (await ask('refused', 'bridge', String(refusedPort))) as Record<string, string>;
    expect(answer).to.equal('');
    expect(error).to.match(/port 7999 of the pod can't be reached: connection refused/);
  });

  it('follows a log', async () => {
    expect(await ask('follow', '3')).to.deep.equal({ lines: ['line 1', 'line 2', 'line 3'] });
  });
});
