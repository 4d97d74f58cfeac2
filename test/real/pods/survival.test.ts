import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { expect } from 'chai';
import {
  newContainerMetadata,
  newListContainersRequest,
  newListPodSandboxRequest,
  newPodSandboxMetadata,
  newPortMapping,
} from '../../../src/ports/cri/messages.js';
import { leftovers } from '../leftovers.js';
import { PodClient } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { freePort } from '../test-registry.js';

const counting = ['sh', '-c', 'i=0; while :; do echo $i; i=$((i+1)); usleep 5000; done'];

describe('pods: what survives the daemon (a real process, killed)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode({ as: 'child' });
    pods = await PodClient.on(node);
  });
  afterEach(() => pods.removeAll());
  after(() => node.dispose());

  const linesOf = async (id: string) => (await pods.logLines(id)).map(({ text }) => Number(text));
  const isWhole = (lines: number[]) => lines.every((line, index) => line === index);

  for (const [how, end] of [
    ['SIGKILL', () => node.kill()],
    ['SIGTERM', () => node.stop()],
  ] as const) {
    it(`keeps containers running over ${how}: same process, no line of the log lost, exec and network go on`, async () => {
      const hostPort = await freePort();
      const sandbox = await pods.runPod({
        port_mappings: [newPortMapping({ container_port: 80, host_port: hostPort })],
      });
      const web = await pods.run(sandbox, {
        command: ['sh', '-c', 'echo page > /tmp/index.html; exec httpd -f -p 80 -h /tmp'],
      });
      const page = () =>
        fetch(`http://127.0.0.1:${hostPort}/`).then(
          async (answer) => (await answer.text()).trim(),
          () => undefined,
        );
      await waitFor('the server', async () => (await page()) === 'page');
      const id = await pods.run(sandbox, { command: counting });
      const pid = await pods.pid(id);
      await waitFor('first lines', async () => (await linesOf(id)).length > 5);
      await end();
      const { length } = fs.readFileSync(logOf(sandbox)).toString().split('\n');
      await waitFor('lines while the daemon is down', () => {
        return fs.readFileSync(logOf(sandbox)).toString().split('\n').length > length + 5;
      });
      expect(await page(), 'while the daemon is down').to.equal('page');
      await node.start();
      expect(await pods.pid(id)).to.equal(pid);
      expect((await pods.podStatus(sandbox)).state).to.equal('SANDBOX_READY');
      const seen = (await linesOf(id)).length;
      await waitFor('lines after the restart', async () => (await linesOf(id)).length > seen + 5);
      expect(isWhole(await linesOf(id))).to.equal(true);
      expect((await pods.exec(web, 'true')).exitCode).to.equal(0);
      expect(await page()).to.equal('page');
    });
  }

  /** The log of the pod's counting container, found without the daemon. */
  function logOf(sandbox: string): string {
    const dir = pods.podConfigOf(sandbox).log_directory;
    const sized = fs.readdirSync(dir).map((name) => ({ name, size: fs.statSync(`${dir}/${name}`).size }));
    return `${dir}/${sized.sort((a, b) => b.size - a.size)[0]?.name ?? ''}`;
  }

  it('knows exits that happened while it was down, with their code', async () => {
    const sandbox = await pods.runPod();
    const command = (line: string) => ({ command: ['sh', '-c', line] });
    const waiting = 'until [ -e /dev/shm/go ]; do usleep 10000; done';
    const failed = await pods.run(sandbox, command(`${waiting}; exit 23`));
    const fine = await pods.run(sandbox, command(waiting));
    const lives = await pods.run(sandbox, command('usleep 1; touch /dev/shm/ready; exec sleep 1000'));
    const pids = [await pods.pid(failed), await pods.pid(fine)];
    await node.kill();
    fs.writeFileSync(`${node.config.runDir}/sandboxes/${sandbox}/shm/go`, '');
    await waitFor('both have ended', () => pids.every((pid) => !isAlive(pid)));
    await node.start();
    expect(await pods.status(failed)).to.include({
      state: 'CONTAINER_EXITED',
      exit_code: 23,
      reason: 'Error',
    });
    expect(await pods.status(fine)).to.include({
      state: 'CONTAINER_EXITED',
      exit_code: 0,
      reason: 'Completed',
    });
    expect((await pods.status(lives)).state).to.equal('CONTAINER_RUNNING');
  });

  it('leaves nothing half made when killed in the midst of starts, and the names can be used again', async () => {
    for (const delayMs of [5, 25, 60]) {
      const metadata = newPodSandboxMetadata({
        name: 'again',
        namespace: 'test',
        uid: 'u',
        attempt: delayMs,
      });
      const name = newContainerMetadata({ name: 'c' });
      const flight = pods
        .runPod({ metadata })
        .then((sandbox) => pods.run(sandbox, { metadata: name }))
        .catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await node.kill();
      await flight;
      await node.start();
      const { items } = await node.cri.runtime.ListPodSandbox(newListPodSandboxRequest(), node.ctx);
      const { containers } = await node.cri.runtime.ListContainers(newListContainersRequest(), node.ctx);
      const known = [...items, ...containers].map(({ id }) => id);
      const strangers = (await leftovers(node.config)).filter(
        (line) => /[0-9a-f]{64}/.test(line) && !known.some((id) => line.includes(id)),
      );
      expect(strangers, `killed after ${delayMs} ms`).to.deep.equal([]);
      for (const { id } of items) await pods.removePod(id);
      const sandbox = await pods.runPod({ metadata });
      const id = await pods.run(sandbox, { metadata: name });
      expect(await pods.shell(id, 'echo works')).to.equal('works');
      await pods.removePod(sandbox);
    }
  });

  it('after a reboot: pods are not ready, containers have ended, and all can be removed and made again', async () => {
    const metadata = newPodSandboxMetadata({ name: 'rebooted', namespace: 'test', uid: 'u' });
    const sandbox = await pods.runPod({ metadata });
    const running = await pods.run(sandbox);
    const created = await pods.create(sandbox);
    // An orderly end: a power cut may take the last moments before it along (ADR 2).
    await node.stop();
    await losePowerOf(node);
    await node.start();
    expect((await pods.podStatus(sandbox)).state).to.equal('SANDBOX_NOTREADY');
    expect(await pods.status(running)).to.include({
      state: 'CONTAINER_EXITED',
      exit_code: 255,
      reason: 'ContainerStatusUnknown',
    });
    expect((await pods.status(created)).state).to.equal('CONTAINER_CREATED');
    await pods.removePod(sandbox);
    const again = await pods.runPod({ metadata });
    await pods.run(again);
  });
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** What a reboot does to a node that is down: its processes, mounts, links, rules and the files of the boot are gone. */
async function losePowerOf({ config }: RealNode): Promise<void> {
  const groups = fs.readFileSync('/proc/self/mountinfo', 'utf8').match(/(?<= )\/sys\/fs\/cgroup\/\S+/g) ?? [];
  const killed: number[] = [];
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (fs.readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`${config.cgroupParent}/`)) {
        process.kill(Number(pid), 'SIGKILL');
        killed.push(Number(pid));
      }
    } catch {
      // It has gone by itself.
    }
  }
  // Process 1 of a PID namespace ends only when the machine's has reaped the others in it, which can take seconds.
  await waitFor('no process of before the reboot is left', () => !killed.some(isAlive));
  const mounted = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const targets = mounted.map((line) => line.split(' ')[4] ?? '').filter((target) => target !== '');
  for (const target of targets.reverse()) {
    if (target.startsWith(config.runDir) || target.startsWith(config.rootDir)) {
      execFileSync('umount', ['--lazy', target]);
    }
  }
  fs.rmSync(config.runDir, { recursive: true });
  const { bridge, table } = config.network;
  execFileSync('ip', ['link', 'delete', bridge]);
  execFileSync('nft', ['delete', 'table', 'ip', table]);
  for (const root of groups) {
    const group = `${root}${config.cgroupParent}`;
    if (fs.existsSync(group))
      execFileSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']);
  }
}
