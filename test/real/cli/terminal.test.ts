import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect } from 'chai';
import { AgentClient, shellPod } from '../agent/agent-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { onTerminal } from './terminal-cli.js';
import type { TerminalRun } from './terminal-cli.js';

/** Loaded into the program by Node itself: signals become the faults that a bug would be. */
const faults = `process.on('SIGUSR2', () => { throw new Error('planted') });
process.on('SIGURG', () => { void Promise.reject(new Error('planted')) });`;

describe('the terminal of whoever runs exec -it', () => {
  let node: RealNode;
  const open: TerminalRun[] = [];
  before(async () => {
    node = await startRealNode({ as: 'child' });
    const agent = new AgentClient(node);
    await agent.apply(shellPod('box', { image: await node.image(), script: 'exec sleep 1000000' }));
    await agent.ready('box');
    fs.writeFileSync(`${node.dir}/faults.mjs`, faults);
  });
  afterEach(() => {
    for (const run of open.splice(0)) run.kill();
  });
  after(() => node?.dispose());

  async function exec(script: string, options: Parameters<typeof onTerminal>[2] = {}): Promise<TerminalRun> {
    const run = await onTerminal(node, ['exec', '-it', 'box', '--', 'sh', '-c', script], options);
    open.push(run);
    return run;
  }
  /** The modes of the terminal that a process reads from. */
  const modesOf = (pid: number): string =>
    execFileSync('stty', ['-g', '-F', fs.readlinkSync(`/proc/${pid}/fd/0`)], { encoding: 'utf8' });
  const stateOf = (pid: number): string =>
    /\) (\S)/.exec(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';

  it('is as before after an end, well or not, and after a refusal', async () => {
    for (const [script, exitCode] of [
      ['exit 0', 0],
      ['exit 9', 9],
      ['kill -9 $$', 137],
    ] as const)
      expect(await (await exec(script)).ended, script).to.include({ exitCode, restored: true });
    const refused = await onTerminal(node, ['exec', '-it', 'box', '--', 'no-such-program']);
    open.push(refused);
    expect(await refused.ended).to.include({ exitCode: 1, restored: true });
  });

  for (const [signal, exitCode] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
  ] as const)
    it(`is as before when the program is ended by ${signal}`, async () => {
      const run = await exec('echo begun; exec sleep 1000000');
      await run.shows('begun');
      process.kill(await run.pid(), signal);
      expect(await run.ended).to.include({ exitCode, restored: true });
    });

  for (const [fault, signal] of [
    ['an uncaught exception', 'SIGUSR2'],
    ['an unhandled rejection', 'SIGURG'],
  ] as const)
    it(`is as before after ${fault}, which is shown in straight lines`, async () => {
      const env = { NODE_OPTIONS: `--import=file://${node.dir}/faults.mjs` };
      const run = await exec('echo begun; exec sleep 1000000', { env });
      await run.shows('begun');
      process.kill(await run.pid(), signal);
      const { exitCode, restored, screen } = await run.ended;
      expect(restored).to.equal(true);
      expect(exitCode).to.be.greaterThan(0);
      expect(screen)
        .to.match(/planted\r\n/)
        .and.not.to.match(/[^\r]\n/);
    });

  it('is as before when nobody reads the output any more', async () => {
    const run = await exec('yes', { around: (line) => `${line} | head -n 1` });
    expect(await run.ended).to.include({ restored: true });
  });

  it('is as before while the program is stopped from outside, and raw again when it goes on', async () => {
    const run = await exec('echo begun; read line; echo "got $line"');
    await run.shows('begun');
    const pid = await run.pid();
    const raw = modesOf(pid);
    process.kill(pid, 'SIGTSTP');
    await waitFor('the stop', () => stateOf(pid) === 'T');
    expect(modesOf(pid)).not.to.equal(raw);
    process.kill(pid, 'SIGCONT');
    await waitFor('raw modes', () => modesOf(pid) === raw);
    run.type('on it goes\r');
    await run.shows('got on it goes');
    expect(await run.ended).to.include({ exitCode: 0, restored: true });
  });

  it('passes UTF-8, escapes and bare newlines unchanged, and ends input by Ctrl-D', async () => {
    const run = await exec(
      `stty -echo; echo begun; cat >/tmp/typed; stty -opost; printf 'A\\nB\\033[1mü€😀|'; cat /tmp/typed`,
    );
    await run.shows('begun');
    run.type('grüß dich €\r\x04');
    const { screen } = await run.ended;
    expect(Buffer.from(screen, 'latin1').toString('utf8')).to.contain('A\nB\x1b[1mü€😀|grüß dich €\n');
  });

  it('takes a paste of 1 MB whole, any byte of it', async () => {
    const run = await exec('stty raw -echo; echo begun; head -c 1048576 | sha256sum');
    await run.shows('begun');
    const paste = randomBytes(1024 * 1024);
    run.type(paste);
    await run.shows(createHash('sha256').update(paste).digest('hex'));
    expect(await run.ended).to.include({ exitCode: 0, restored: true });
  });

  it('is as before when the daemon is killed', async () => {
    const run = await exec('echo begun; exec sleep 1000000');
    await run.shows('begun');
    await node.kill();
    expect(await run.ended).to.include({ exitCode: 1, restored: true });
    await node.start();
  });
});
