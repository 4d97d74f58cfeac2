import { expect } from 'chai';
import { AgentClient } from '../agent/agent-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { cli, cliArgv, watch } from './nodelet-cli.js';
import type { Watched } from './nodelet-cli.js';
import { onTerminal } from './terminal-cli.js';
import type { TerminalRun } from './terminal-cli.js';

/** Prints what it reads, and ends when told to. */
const talk = `while read line; do
  case "$line" in exit*) exit \${line#exit };; *) echo "got $line"; echo "heard $line" >&2;; esac
done; echo "stdin has ended"; exec sleep 1000000`;
/** A screen that is drawn when it begins and when its size changes. */
const paint = `trap 'echo "drawn $(stty size)"' WINCH; trap 'echo interrupted' INT; echo begun; while :; do sleep 0.1; done`;

describe('attach: from the command line to what a container says', () => {
  let node: RealNode;
  let image: string;
  let agent: AgentClient;
  const open: { kill(): void }[] = [];
  before(async () => {
    node = await startRealNode({ as: 'child' });
    image = await node.image();
    agent = new AgentClient(node);
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.kill();
  });
  after(() => node?.dispose());

  /** A pod of one container, `main`, that is ready. */
  async function pod(name: string, script: string, container: string, policy = 'Never'): Promise<void> {
    await agent.apply(`apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: ${policy}
  containers:
  - {name: main, image: "${image}", command: [sh, -c, ${JSON.stringify(script)}], ${container}}
`);
    await agent.ready(name);
  }
  async function attach(...args: string[]): Promise<Watched> {
    const watched = await watch({ argv: cliArgv(node, 'attach', ...args), stdin: true });
    open.push(watched.process);
    return watched;
  }
  async function attachTerminal(
    args: string[],
    size?: { columns: number; rows: number },
  ): Promise<TerminalRun> {
    const run = await onTerminal(node, ['attach', ...args], size === undefined ? {} : { size });
    open.push(run);
    return run;
  }
  /** Typed until it has arrived: what is printed before the attachment stands is for the log alone. */
  async function typed({ process, stdout }: Watched, word: string): Promise<void> {
    await waitFor(`the echo of ${word}`, () => {
      process.stdin?.write(`${word}\n`);
      return stdout().includes(`got ${word}`);
    });
  }
  const running = async (name: string) =>
    (await agent.pod(name))?.status.containerStatuses[0]?.state.running !== undefined;

  it('joins streams: stdout and stderr apart, and the exit code of the container', async () => {
    await pod('streams', talk, 'stdin: true');
    const watched = await attach('-i', 'streams');
    await typed(watched, 'hello');
    watched.process.stdin?.write('exit 7\n');
    const { exitCode, stdout, stderr } = await watched.done;
    expect(exitCode).to.equal(7);
    expect(stdout).to.match(/^(got hello\n)+$/);
    expect(stderr).to.match(/^(heard hello\n)+$/);
  });

  it('knows the exit code of a run whose container has been started again', async () => {
    await pod('again', talk, 'stdin: true', 'Always');
    const watched = await attach('-i', 'pod/again');
    await typed(watched, 'hello');
    watched.process.stdin?.write('exit 5\n');
    expect((await watched.done).exitCode).to.equal(5);
  });

  it('serves two clients of streams; one that ends its stdin or is interrupted leaves the container alone', async () => {
    await pod('shared', talk, 'stdin: true');
    const [first, second] = [await attach('-i', 'shared'), await attach('-i', 'shared')];
    await typed(first, 'one');
    await typed(second, 'two');
    await waitFor('what the other has typed', () => first.stdout().includes('got two'));
    first.process.stdin?.end();
    await typed(second, 'three');
    second.process.kill();
    await second.done;
    expect(await running('shared')).to.equal(true);
    await waitFor('who still listens', async () => {
      await cli(node, ['exec', 'shared', '--', 'sh', '-c', 'echo aside >/proc/1/fd/1']);
      return first.stdout().includes('aside');
    });
    expect(first.stdout()).not.to.contain('stdin has ended');
  });

  it('ends a stdin that is open once with its client', async () => {
    await pod('once', talk, 'stdin: true, stdinOnce: true');
    const watched = await attach('-i', 'once');
    await typed(watched, 'hello');
    watched.process.stdin?.end();
    await waitFor('the end of stdin', () => watched.stdout().includes('stdin has ended'));
  });

  it('gives a terminal: draws anew, sizes, Ctrl-C for the container, detach keys, and all of it again', async () => {
    await pod('screen', paint, 'stdin: true, tty: true');
    for (const round of [1, 2]) {
      const run = await attachTerminal(['-it', 'screen'], { columns: 101, rows: 31 });
      await run.shows("If you don't see a command prompt, try pressing enter.");
      await run.shows('drawn 31 101');
      run.resize({ columns: 120, rows: 40 });
      await run.shows('drawn 40 120');
      run.type('\x03');
      await run.shows('interrupted');
      run.type('\x10');
      run.type('\x11');
      const { exitCode, restored, screen } = await run.ended;
      expect({ exitCode, restored }, `round ${round}`).to.deep.equal({ exitCode: 0, restored: true });
      expect(screen).to.match(/\r\ndetached: container main goes on\r\n$/);
      expect(await running('screen')).to.equal(true);
    }
  });

  it('serves two terminals at once, and ends both with the container', async () => {
    await pod('pair', talk, 'stdin: true, tty: true');
    const [one, two] = [await attachTerminal(['-it', 'pair']), await attachTerminal(['-itq', 'pair'])];
    for (const [from, word] of [
      [one, 'uno'],
      [two, 'dos'],
    ] as const)
      await waitFor(`${word} on both`, () => {
        from.type(`${word}\r`);
        return [one, two].every((side) => side.screen().includes(`got ${word}`));
      });
    expect(two.screen()).not.to.contain('command prompt');
    one.type('exit 4\r');
    for (const { ended } of [one, two]) expect(await ended).to.include({ exitCode: 4, restored: true });
  });

  it('passes the detach keys on where they are others, or none', async () => {
    await pod('bytes', 'stty raw -echo; exec cat', 'stdin: true, tty: true');
    const run = await attachTerminal(['-it', '--detach-keys', 'ctrl-],x', 'bytes']);
    await waitFor('the keys', () => {
      run.type('\x10\x11');
      return run.screen().includes('\x10\x11');
    });
    run.type('\x1d');
    run.type('y');
    await run.shows('\x1dy');
    run.type('\x1dx');
    expect(await run.ended).to.include({ exitCode: 0, restored: true });
    const none = await attachTerminal(['-it', '--detach-keys', '', 'bytes']);
    await waitFor('the keys', () => {
      none.type('\x10\x11\x1dx');
      return none.screen().includes('\x10\x11\x1dx');
    });
  });

  it('says where only one side has a terminal', async () => {
    const shown = await attach('screen');
    await waitFor('what is to be said', () =>
      shown
        .stderr()
        .includes('container main has a terminal: with -it it is sized and typed into like this one\n'),
    );
    shown.process.kill();
    const plain = await attach('-it', 'shared');
    await waitFor('what is to be said', () =>
      plain.stderr().includes('Unable to use a TTY - container main did not allocate one\n'),
    );
    const unreadable = await attach('-it', 'screen');
    await waitFor('what is to be said', () =>
      unreadable.stderr().includes('Unable to use a TTY - input is not a terminal\n'),
    );
  });

  it('fails when the daemon is killed, with the terminal as it was, and attaches again when it is back', async () => {
    const terminal = await attachTerminal(['-it', 'screen'], { columns: 77, rows: 11 });
    const streams = await attach('-i', 'shared');
    await terminal.shows('drawn 11 77');
    await typed(streams, 'before');
    await node.kill();
    const told = 'nodelet: the connection to the daemon ended before the session did';
    const { exitCode, restored, screen } = await terminal.ended;
    expect({ exitCode, restored }).to.deep.equal({ exitCode: 1, restored: true });
    expect(screen).to.contain(told);
    expect(await streams.done)
      .to.include({ exitCode: 1 })
      .and.property('stderr')
      .to.contain(told);
    await node.start();
    await waitFor('the agent', () => running('shared').catch(() => false));
    await typed(await attach('-i', 'shared'), 'after');
  });

  it('refuses by name what can not be', async () => {
    await pod('deaf', 'exec sleep 1000000', 'stdin: false');
    for (const [args, message] of [
      [['-i', 'deaf'], /^nodelet: stdin: the container was made without a stdin/],
      [['-c', 'other', 'deaf'], /^nodelet: -c: the pod has no container other, only: main\n$/],
      [['absent'], /^nodelet: pod default\/absent not found\n$/],
      [['svc/deaf'], /^nodelet: svc is no kind that nodelet keeps/],
      [['--detach-keys', 'ctrl-p,oops', 'deaf'], /^nodelet: --detach-keys: "oops" is no key/],
    ] as const) {
      const { exitCode, stderr } = await cli(node, ['attach', ...args], '');
      expect(exitCode, args.join(' ')).to.equal(1);
      expect(stderr).to.match(message);
    }
  });
});
