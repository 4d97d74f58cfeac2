import { randomInt } from 'node:crypto';
import fs from 'node:fs';
import { expect } from 'chai';
import { createProcesses } from '../../../src/host/processes.js';
import type { ProcessIdentity } from '../../../src/ports/processes.js';

const processes = createProcesses();
const sigkill = 9;
/** Far longer than any test may take. */
const longMs = 30_000;
const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const refusalOf = (work: Promise<unknown>) => work.then(() => undefined).catch((thrown: unknown) => thrown);

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const start = performance.now(); performance.now() - start < longMs; await delay(5)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`${what}: waited in vain`);
}

describe('host: processes (real ones)', () => {
  /** `sleep` for a time that no other process sleeps for: how this test knows its own again. */
  let seconds = '';
  let startedAt = 0;
  const elapsedMs = () => performance.now() - startedAt;
  const sleepers = async (): Promise<ProcessIdentity[]> =>
    (await processes.list())
      .filter(({ argv }) => argv[0] === 'sleep' && argv[1] === seconds)
      .map(({ identity }) => identity);
  const allGone = () =>
    until('the sleepers go', async () => ((await sleepers()).length === 0 ? true : undefined));
  const openFds = () => fs.readdirSync('/proc/self/fd').length;
  let fdsBefore = 0;

  before(async () => {
    await processes.run({ argv: ['true'] });
  });
  beforeEach(() => {
    seconds = `300.${randomInt(10 ** 9)}`;
    startedAt = performance.now();
    fdsBefore = openFds();
  });
  afterEach(async () => {
    for (const sleeper of await sleepers()) processes.kill(sleeper, sigkill);
    await until('descriptors are closed', () => (openFds() <= fdsBefore ? true : undefined));
  });

  describe('run', () => {
    it('gives exit code and output, and 128 and the number of the signal that ended it', async () => {
      const script = 'cat; echo problem >&2; exit 3';
      const result = await processes.run({ argv: ['sh', '-c', script], stdin: Buffer.from('text') });
      expect({ ...result, stdout: result.stdout.toString(), stderr: result.stderr.toString() }).to.deep.equal(
        {
          exitCode: 3,
          stdout: 'text',
          stderr: 'problem\n',
        },
      );
      expect((await processes.run({ argv: ['sh', '-c', 'kill -9 $$'] })).exitCode).to.equal(128 + sigkill);
    });

    it('takes environment and folder from the caller only', async () => {
      const argv = ['sh', '-c', 'pwd; echo $MINE; echo ${HOME-none}'];
      const { stdout } = await processes.run({ argv, cwd: '/usr', env: { MINE: 'yes' } });
      expect(stdout.toString()).to.equal('/usr\nyes\nnone\n');
    });

    it('refuses a program that is not there, by name', async () => {
      const refusal = await refusalOf(processes.run({ argv: ['/no/such/program'] }));
      expect(refusal).to.include({ kind: 'tool-failed' });
      expect(refusal).to.have.property('message').that.includes('/no/such/program').and.includes('ENOENT');
    });

    it('returns when the program has ended, whoever else holds its output', async () => {
      const { exitCode, stdout } = await processes.run({
        argv: ['sh', '-c', `sleep ${seconds} & echo done`],
      });
      expect({ exitCode, stdout: stdout.toString() }).to.deep.equal({ exitCode: 0, stdout: 'done\n' });
      expect(elapsedMs()).to.be.lessThan(longMs);
      expect(await sleepers(), 'what a program leaves running on purpose runs on').to.have.length(1);
    });

    it('reads all that was written before the end', async () => {
      const { stdout } = await processes.run({
        argv: ['sh', '-c', `sleep ${seconds} & head -c 60000 /dev/zero`],
      });
      expect(stdout).to.have.length(60_000);
    });

    it('returns while a descendant still has the output of a detached one', async () => {
      const argv = ['sh', '-c', `sleep ${seconds} & exit 4`];
      expect((await processes.run({ argv, detachedOutput: true })).exitCode).to.equal(4);
      expect(elapsedMs()).to.be.lessThan(longMs);
    });

    for (const [name, script] of [
      ['a child', 'sleep SECONDS; true'],
      ['an orphan of another session', '(setsid sleep SECONDS &); sleep SECONDS; true'],
      [
        'a daemon whose parents are gone',
        '(setsid sh -c "sleep SECONDS & sleep SECONDS & exit" &); sleep SECONDS; true',
      ],
      ['a program that ignores SIGTERM', 'trap "" TERM HUP INT; sleep SECONDS; sleep SECONDS'],
    ] as const) {
      it(`ends ${name} at the timeout`, async () => {
        const argv = ['sh', '-c', script.replaceAll('SECONDS', seconds)];
        const refusal = await refusalOf(processes.run({ argv, timeoutMs: 500 }));
        expect(refusal).to.include({ kind: 'deadline' });
        expect(elapsedMs()).to.be.lessThan(longMs);
        await allGone();
      });
    }

    it('ends everything when the caller goes, with the reason of the caller', async () => {
      const caller = new AbortController();
      const running = processes.run({ argv: ['sh', '-c', `sleep ${seconds}; true`], signal: caller.signal });
      await until('it runs', async () => (await sleepers())[0]);
      caller.abort(new Error('client left'));
      expect(await refusalOf(running)).to.have.property('message', 'client left');
      await allGone();
    });

    it('ends a program that prints too much', async () => {
      const argv = ['sh', '-c', `yes & exec sleep ${seconds}`];
      const refusal = await refusalOf(processes.run({ argv, maxOutputBytes: 10_000 }));
      expect(refusal).to.include({ kind: 'exhausted' });
      await allGone();
    });

    it('keeps the exit codes of many at once apart', async () => {
      const codes = Array.from({ length: 60 }, (_, code) => code);
      const results = await Promise.all(
        codes.map((code) => processes.run({ argv: ['sh', '-c', `echo ${code}; exit ${code}`] })),
      );
      expect(results.map(({ exitCode }) => exitCode)).to.deep.equal(codes);
      expect(results.map(({ stdout }) => Number(stdout.toString()))).to.deep.equal(codes);
    });
  });

  describe('startMonitor', () => {
    const monitor = (script: string, timeoutMs = longMs) =>
      processes.startMonitor({ argv: ['sh', '-c', script], cwd: '/', env: {}, timeoutMs });

    it('gives the first line of the report of a monitor that runs on', async () => {
      const script = `sh -c 'read -r go <&4; echo note >&2; echo "{\\"data\\": 7}" >&3; exec sleep ${seconds}' & exit 0`;
      expect((await monitor(script)).report).to.equal('{"data": 7}');
      await until('it runs on', async () => (await sleepers())[0]);
    });

    it('gives what a monitor that fails at once says, whether it read its start pipe or not', async () => {
      expect(await monitor('echo wrong flag >&2; exit 1')).to.deep.equal({
        report: '',
        stderr: 'wrong flag\n',
      });
    });

    it('ends a monitor that does not report in time, though it has left its parents', async () => {
      const script = `(setsid sh -c 'sleep ${seconds} & sleep ${seconds}' &); exit 0`;
      expect(await refusalOf(monitor(script, 500))).to.include({ kind: 'deadline' });
      expect(elapsedMs()).to.be.lessThan(longMs);
      await allGone();
    });
  });

  describe('identities', () => {
    /** A sleeper, and a zombie beside it: its own child, which it never waits for. */
    async function sleeperAndZombie(): Promise<{ sleeper: ProcessIdentity; zombie: number }> {
      await processes.run({ argv: ['sh', '-c', `sh -c 'true & exec sleep ${seconds}' &`] });
      const sleeper = await until('it sleeps', async () => (await sleepers())[0]);
      const children = `/proc/${sleeper.pid}/task/${sleeper.pid}/children`;
      const zombie = Number(fs.readFileSync(children, 'utf8'));
      await until('its child is a zombie', () =>
        fs.readFileSync(`/proc/${zombie}/stat`, 'utf8').includes(') Z ') ? true : undefined,
      );
      return { sleeper, zombie };
    }

    it('knows a live process, and no zombie, and nothing that is no process', async () => {
      const { sleeper, zombie } = await sleeperAndZombie();
      expect(processes.identify(sleeper.pid)).to.deep.equal(sleeper);
      for (const pid of [zombie, 0, -1, NaN, 2 ** 31, 1.5]) {
        expect(processes.identify(pid), `${pid}`).to.equal(undefined);
      }
    });

    it('signals only the very process, and says whether it was there', async () => {
      const { sleeper } = await sleeperAndZombie();
      expect(processes.kill({ ...sleeper, startTicks: '1' }, sigkill)).to.equal(false);
      for (const pid of [0, -1, NaN])
        expect(processes.kill({ pid, startTicks: '1' }, sigkill)).to.equal(false);
      expect(await processes.waitGone(sleeper, 20)).to.equal(false);
      expect(processes.kill(sleeper, sigkill)).to.equal(true);
      expect(await processes.waitGone(sleeper, longMs)).to.equal(true);
      expect(elapsedMs()).to.be.lessThan(longMs);
      expect(processes.kill(sleeper, sigkill)).to.equal(false);
    });

    it('waits neither for a zombie nor for one whose number has another process', async () => {
      const { sleeper, zombie } = await sleeperAndZombie();
      const stat = fs.readFileSync(`/proc/${zombie}/stat`, 'utf8');
      const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
      expect(await processes.waitGone({ pid: zombie, startTicks }, longMs)).to.equal(true);
      expect(await processes.waitGone({ ...sleeper, startTicks: '1' }, longMs)).to.equal(true);
      expect(elapsedMs()).to.be.lessThan(longMs);
    });
  });
});
