import fs from 'node:fs';
import { expect } from 'chai';
import { createMounts } from '../../../src/host/mounts.js';
import {
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newMount,
  newNamespaceOption,
  newStopContainerRequest,
} from '../../../src/ports/cri/messages.js';
import { countLines } from '../counted-lines.js';
import { PodClient } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const containers = 24;
const atOnce = 4;
const mounts = createMounts();

describe('real: the last lines of a container', () => {
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

  it('are in its log when it prints and ends at once', async () => {
    const script = 'seq 1 3000 >&2 & seq 1 3000; wait; exec seq 3001 3500';
    for (let round = 0; round < containers / atOnce; round += 1) {
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          const id = await pods.run(sandbox, { command: ['sh', '-c', script] });
          const { log_path: log } = await pods.exited(id);
          const { stdout, stderr } = countLines(log);
          expect(stdout).to.deep.equal({ first: 1, last: 3500, lines: 3500, breaks: [] });
          expect(stderr).to.deep.equal({ first: 1, last: 3000, lines: 3000, breaks: [] });
        }),
      );
    }
  });

  it('are in its log when it is killed while it prints', async () => {
    const script = 'i=0; while :; do i=$((i+1)); echo $i; echo $i >/printed/count; done';
    for (let round = 0; round < 5; round += 1) {
      const dir = fs.mkdtempSync(`${node.dir}/printed-`);
      const id = await pods.run(sandbox, {
        command: ['sh', '-c', script],
        mounts: [newMount({ container_path: '/printed', host_path: dir })],
      });
      const { log_path: log } = await pods.status(id);
      await waitFor('many lines', () => fs.statSync(log).size > 50_000);
      await node.cri.runtime.StopContainer(
        newStopContainerRequest({ container_id: id, timeout: '0' }),
        node.ctx,
      );
      // A shell is killed between two of its steps, or while it writes the file.
      const printed = Number(fs.readFileSync(`${dir}/count`, 'utf8') || '0');
      const { stdout } = countLines(log);
      expect(stdout.breaks).to.deep.equal([]);
      expect(stdout.last).to.be.at.least(printed);
    }
  });

  it('are those before its end, where processes outlive it in the namespace of its pod', async () => {
    const script = '(trap "" HUP; for i in 2 3 4 5 6 7 8 9; do sleep 0.3; echo $i; done) & echo 1';
    const namespace_options = newNamespaceOption({ pid: 'POD' });
    const linux = newLinuxContainerConfig({
      security_context: newLinuxContainerSecurityContext({ namespace_options }),
    });
    const shared = await pods.runPod();
    const id = await pods.run(shared, { command: ['sh', '-c', script], linux });
    const { log_path: log } = await pods.exited(id);
    const { stdout } = countLines(log);
    expect(stdout).to.deep.include({ first: 1, breaks: [] });
    expect(stdout.lines).to.be.lessThan(9);
    await pods.removePod(shared);
  });

  it('are lost while the disk is full, and no later ones', async () => {
    const disk = fs.mkdtempSync(`${node.dir}/disk-`);
    await mounts.tmpfs(disk, { sizeBytes: 256 * 1024, mode: 0o755 });
    try {
      const own = await pods.runPod({ log_directory: `${disk}/logs` });
      const script = 'i=0; while :; do i=$((i+1)); echo $i; [ $i -lt 7800 ] || sleep 0.01; done';
      const id = await pods.run(own, { command: ['sh', '-c', script] });
      const { log_path: log } = await pods.status(id);
      const full = () => fs.statfsSync(disk).bavail === 0;
      await waitFor('the disk is full', full);
      expect((await pods.status(id)).state, 'it goes on').to.equal('CONTAINER_RUNNING');
      const before = fs.statSync(log).size;
      fs.renameSync(log, `${log}.1`);
      await node.cri.runtime.ReopenContainerLog({ container_id: id }, node.ctx);
      fs.rmSync(`${log}.1`);
      await waitFor('new lines', () => fs.statSync(log).size > 2000);
      const lines = await pods.logLines(id);
      const numbers = lines.map(({ text }) => Number(text));
      process.stdout.write(`      full at ${before} bytes; goes on with ${numbers.slice(0, 3).join(', ')}\n`);
      const whole = numbers.slice(1);
      expect(whole).to.deep.equal(whole.map((_, index) => (whole[0] ?? 0) + index));
      await pods.removePod(own);
    } finally {
      await mounts.unmount(disk);
    }
  });
});
