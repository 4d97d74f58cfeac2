import { expect } from 'chai';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { PodClient, failure } from '../pod-client.js';

for (const as of ['in-process', 'child'] as const) {
  describe(`pods: a pod on a real node (${as})`, () => {
    let node: RealNode;
    let pods: PodClient;
    before(async () => {
      node = await startRealNode({ as });
      pods = new PodClient(node.cri, node.ctx, await node.image());
    });
    after(() => node.dispose());

    it('runs a container, execs in it, and survives a restart of the daemon', async () => {
      const sandbox = await pods.runPod();
      const id = await pods.run(sandbox);
      expect(await pods.shell(id, 'echo hello; id -u')).to.equal('hello\n0');
      await node.stop();
      await node.start();
      expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
      expect((await pods.podStatus(sandbox)).state).to.equal('SANDBOX_READY');
      const again = await failure(pods.start(id));
      expect(again).to.include({ kind: 'wrong-state' });
    });
  });
}
