import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { backgroundContext } from '../../../src/base/call-context.js';
import { newReopenContainerLogRequest } from '../../../src/ports/cri/messages.js';
import { countLines, logFilesOf } from '../counted-lines.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const slowCount = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done';

describe('real: the log of a container is opened anew', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
  });
  after(async () => {
    await pods.removeAll();
    await node.dispose();
  });

  const reopen = (id: string, signal?: AbortSignal) =>
    node.cri.runtime.ReopenContainerLog(
      newReopenContainerLogRequest({ container_id: id }),
      signal === undefined ? node.ctx : backgroundContext(undefined, signal),
    );
  const counting = async (script = slowCount) => {
    const id = await pods.run(sandbox, { command: ['sh', '-c', script] });
    const { log_path: log } = await pods.status(id);
    await waitFor('its first lines', () => fs.statSync(log).size > 200);
    return { id, log };
  };
  const grown = (log: string) => {
    const size = fs.statSync(log).size;
    return waitFor('more lines', () => fs.statSync(log).size > size);
  };
  const expectSound = (log: string) => {
    const { stdout } = countLines(log);
    expect(stdout).to.deep.include({ first: 1, breaks: [] });
    return stdout.lines;
  };
  const monitorOf = (log: string): number => {
    const found = fs
      .readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .find((pid) => {
        try {
          const argv = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
          return argv[0]?.endsWith('/conmon') === true && argv.includes(`k8s-file:${log}`);
        } catch {
          return false;
        }
      });
    if (found === undefined) throw new Error(`no monitor writes ${log}`);
    return Number(found);
  };

  it('and nothing is lost where nobody has moved it away', async () => {
    const { id, log } = await counting();
    const { ino } = fs.statSync(log);
    for (const _ of [1, 2, 3]) await reopen(id);
    await grown(log);
    expect(fs.statSync(log).ino, 'the same file').to.equal(ino);
    expect(logFilesOf(log)).to.deep.equal([log]);
    expectSound(log);
  });

  it('many times, by several callers at once, as a kubelet does it', async () => {
    const count = 200_000;
    const { id, log } = await counting(
      `sleep 0.5 & seq 1 ${count} >&2 & seq 1 ${count}; wait; sleep 0.2; echo $((${count}+1)); sleep 1000`,
    );
    for (let round = 10; round < 60; round += 1) {
      fs.renameSync(log, `${log}.${round}`);
      await Promise.all([reopen(id), reopen(id), reopen(id)]);
      expect(fs.existsSync(log), `the log after round ${round}`).to.equal(true);
    }
    await waitFor('all lines', () => countLines(log).stdout.last === count + 1);
    const { stdout, stderr } = countLines(log);
    expect(stdout).to.deep.equal({ first: 1, last: count + 1, lines: count + 1, breaks: [] });
    expect(stderr).to.deep.equal({ first: 1, last: count, lines: count, breaks: [] });
    expect(fs.existsSync(`${log}.tmp`)).to.equal(false);
  });

  it('and another file in its place is moved aside', async () => {
    const { id, log } = await counting();
    fs.renameSync(log, `${log}.1`);
    fs.writeFileSync(log, '2026-01-01T00:00:00.0Z stdout F precious\n');
    await reopen(id);
    await grown(log);
    const aside = fs
      .readdirSync(path.dirname(log))
      .filter((name) => new RegExp(`^${path.basename(log)}\\.\\d{8}-\\d{6}\\.\\d{3}$`).test(name));
    expect(aside).to.have.length(1);
    expect(fs.readFileSync(path.join(path.dirname(log), aside[0] ?? ''), 'utf8')).to.contain('precious');
    fs.rmSync(path.join(path.dirname(log), aside[0] ?? ''));
    expectSound(log);
  });

  it('in a folder that somebody has removed', async () => {
    const own = await pods.runPod();
    const id = await pods.run(own, { command: ['sh', '-c', slowCount] });
    const { log_path: log } = await pods.status(id);
    fs.rmSync(path.dirname(log), { recursive: true });
    await reopen(id);
    await grown(log);
    expect(countLines(log).stdout.breaks).to.deep.equal([]);
    await pods.removePod(own);
  });

  it('not later than its caller waits: a log that was moved back is kept', async () => {
    const { id, log } = await counting();
    const monitor = monitorOf(log);
    process.kill(monitor, 'SIGSTOP');
    try {
      fs.renameSync(log, `${log}.1`);
      const abort = new AbortController();
      const call = failure(reopen(id, abort.signal));
      await waitFor('the command', () => fs.existsSync(`${log}.tmp`));
      abort.abort();
      expect(await call).to.include({ kind: 'canceled' });
      // The server goes on for a moment after its client has left.
      await waitFor('the end of the call', () => !fs.existsSync(`${log}.tmp`));
      fs.renameSync(`${log}.1`, log);
    } finally {
      process.kill(monitor, 'SIGCONT');
    }
    await grown(log);
    expect(expectSound(log)).to.be.greaterThan(5);
    await reopen(id);
    expectSound(log);
  });

  it('says so when the monitor does not answer, or is no more', async () => {
    const { id, log } = await counting();
    const monitor = monitorOf(log);
    fs.renameSync(log, `${log}.1`);
    process.kill(monitor, 'SIGSTOP');
    const stuck = await failure(reopen(id));
    expect(stuck).to.include({ kind: 'unavailable' });
    expect(stuck.message).to.contain(`process ${monitor}`);
    process.kill(monitor, 'SIGKILL');
    await waitFor('the end of the monitor', () => !fs.existsSync(`/proc/${monitor}/cwd`));
    const gone = await failure(reopen(id));
    expect(gone).to.include({ kind: 'wrong-state' });
    expect(gone.message).to.match(/^container_id: /);
    expect(fs.existsSync(`${log}.tmp`)).to.equal(false);
  });

  it('while containers end, and none of their lines is lost', async () => {
    const ends = Array.from({ length: 8 }, async () => {
      const id = await pods.run(sandbox, {
        command: ['sh', '-c', 'seq 1 20000; sleep 0.1; seq 20001 40000'],
      });
      const { log_path: log } = await pods.status(id);
      for (let round = 1; ; round += 1) {
        fs.renameSync(log, `${log}.${String(round).padStart(4, '0')}`);
        const error = await reopen(id).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (error === undefined) continue;
        expect(error).to.include({ kind: 'wrong-state' });
        break;
      }
      await pods.exited(id);
      expect(countLines(log).stdout).to.deep.equal({ first: 1, last: 40000, lines: 40000, breaks: [] });
    });
    await Promise.all(ends);
  });

  it('not at all where it has none', async () => {
    const id = await pods.run(sandbox, { command: ['sleep', '1000'], log_path: '' });
    await reopen(id);
    await reopen(id);
    expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
  });
});
