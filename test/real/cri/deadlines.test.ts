import { randomInt } from 'node:crypto';
import { expect } from 'chai';
import { createCriClient } from '../../../src/cri/client.js';
import {
  newContainerConfig,
  newContainerMetadata,
  newCreateContainerRequest,
  newImageSpec,
  newListContainersRequest,
  newListPodSandboxRequest,
  newPodSandboxStatusRequest,
  newRunPodSandboxRequest,
  newStartContainerRequest,
} from '../../../src/ports/cri/messages.js';
import { testClock as clock } from '../../cri/runtime-double.js';
import { leftovers } from '../leftovers.js';
import { PodClient, failure, podConfig } from '../pod-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';

const rounds = 5;
/** From before anything has been done to after all of it, on a machine that is not too slow. */
const randomDeadlineMs = (): number => randomInt(1, 120);

describe('cri: calls whose deadline passes on a real node', () => {
  let node: RealNode;
  let pods: PodClient;
  let image: string;
  before(async () => {
    node = await startRealNode();
    image = await node.image();
    pods = await PodClient.on(node, image);
  });
  after(async () => {
    await pods.removeAll();
    await node.dispose();
  });

  /** Calls with a deadline of random length; true when it was answered in time. */
  async function inTime(
    call: (cri: ReturnType<typeof createCriClient>) => Promise<unknown>,
  ): Promise<boolean> {
    const cri = createCriClient({
      socketPath: node.config.criSocket,
      clock,
      timeoutMs: randomDeadlineMs(),
    });
    const outcome = await failure(call(cri)).finally(() => cri.close());
    if (outcome.message === 'it succeeded') return true;
    expect(outcome).to.include({ kind: 'deadline' });
    return false;
  }
  const sandboxes = async () =>
    (await node.cri.runtime.ListPodSandbox(newListPodSandboxRequest(), node.ctx)).items;

  it('leave a sandbox as a whole or nothing of it', async () => {
    // What the node makes once, at its first pod.
    await pods.removePod(await pods.runPod());
    const idle = await leftovers(node.config);
    for (let round = 0; round < rounds; round++) {
      const request = newRunPodSandboxRequest({ config: podConfig() });
      const isInTime = await inTime((cri) => cri.runtime.RunPodSandbox(request, node.ctx));
      // An answer may have been on its way when the deadline passed: then the sandbox is there, and whole.
      await waitFor('whole or nothing', async () => {
        const [made] = await sandboxes();
        return made !== undefined || (await leftovers(node.config)).length === idle.length;
      });
      const made = await sandboxes();
      if (isInTime) expect(made).to.have.lengthOf(1);
      for (const { id } of made) {
        const { status } = await node.cri.runtime.PodSandboxStatus(
          newPodSandboxStatusRequest({ pod_sandbox_id: id }),
          node.ctx,
        );
        expect(status?.network?.ip).not.to.equal('');
        await pods.shell(await pods.run(id, { command: ['sleep', '1000'] }), 'true');
        await pods.removePod(id);
      }
      expect(await leftovers(node.config)).to.deep.equal(idle);
    }
  });

  it('leave a container created or not at all, and one that was to start running or exited', async () => {
    const pod_sandbox_id = await pods.runPod();
    const containers = async () =>
      (await node.cri.runtime.ListContainers(newListContainersRequest(), node.ctx)).containers;
    for (let round = 0; round < rounds; round++) {
      const config = newContainerConfig({
        metadata: newContainerMetadata({ name: `c-${round}` }),
        image: newImageSpec({ image }),
        command: ['sleep', '1000'],
      });
      const request = newCreateContainerRequest({ pod_sandbox_id, config });
      await inTime((cri) => cri.runtime.CreateContainer(request, node.ctx));
      // The same call again gets what is there, or makes it.
      const again = await node.cri.runtime.CreateContainer(request, node.ctx).catch(() => undefined);
      const [made] = (await containers()).filter(({ metadata }) => metadata?.name === `c-${round}`);
      expect(made?.state).to.equal('CONTAINER_CREATED');
      if (again !== undefined) expect(again.container_id).to.equal(made?.id);
      const container_id = made?.id ?? '';
      const isInTime = await inTime((cri) =>
        cri.runtime.StartContainer(newStartContainerRequest({ container_id }), node.ctx),
      );
      await waitFor(
        'the start to end',
        async () => (await pods.status(container_id)).state !== 'CONTAINER_CREATED',
      );
      const status = await pods.status(container_id);
      if (isInTime) expect(status.state).to.equal('CONTAINER_RUNNING');
      if (status.state === 'CONTAINER_RUNNING') await pods.shell(container_id, 'true');
      else expect(status).to.include({ state: 'CONTAINER_EXITED', reason: 'StartError' });
    }
    await pods.removePod(pod_sandbox_id);
    expect(await containers()).to.deep.equal([]);
  });
});
