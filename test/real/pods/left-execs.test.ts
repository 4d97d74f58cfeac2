import { expect } from 'chai';
import { createProcesses } from '../../../src/host/processes.js';
import { newExecRequest, newExecSyncRequest } from '../../../src/ports/cri/messages.js';
import { PodClient } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { overWebSocket } from '../stream-client.js';

for (const handler of ['crun', 'runc'])
  describe(`pods: execs that a killed daemon has left (real ${handler})`, () => {
    let node: RealNode;
    before(async () => {
      node = await startRealNode({ as: 'child' });
    });
    after(() => node?.dispose());

    it('end at the next start, with their commands, and the container goes on', async () => {
      const pods = await PodClient.on(node);
      const id = await pods.run(await pods.runPod({}, handler));
      const cmd = (seconds: number) => ['sh', '-c', `trap "" HUP TERM; sleep ${seconds}; sleep ${seconds}`];
      const request = newExecSyncRequest({ container_id: id, cmd: cmd(781) });
      node.cri.runtime.ExecSync(request, node.ctx).catch(() => undefined);
      const { url } = await node.cri.runtime.Exec(
        newExecRequest({ container_id: id, cmd: cmd(782), stdout: true, stdin: true, tty: true }),
        node.ctx,
      );
      await overWebSocket(url);
      const sleepers = async () => (await pods.shell(id, 'ps -o args')).match(/^sleep 78\d/gm) ?? [];
      await waitFor('both commands', async () => (await sleepers()).length === 2);
      await node.kill();
      await node.start();
      await waitFor('their end', async () => (await sleepers()).length === 0);
      const left = (await createProcesses().list()).filter(
        ({ argv }) => argv.includes('exec') && argv.some((word) => word.startsWith(node.dir)),
      );
      expect(left).to.deep.equal([]);
      expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
    });
  });
