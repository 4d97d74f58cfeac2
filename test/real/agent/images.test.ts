import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { repositoryDir, testRegistry } from '../test-registry.js';
import { AgentClient, shellPod, statusOf } from './agent-client.js';

describe('agent: images that can not be had (real)', () => {
  let node: RealNode;
  let agent: AgentClient;
  before(async () => {
    node = await startRealNode();
    agent = new AgentClient(node);
  });
  after(() => node?.dispose());
  const waiting = (name: string, reason: string) =>
    agent.until(name, reason, (pod) => statusOf(pod, 'main').state.waiting?.reason === reason);

  it('tells why, waits, and runs when the image appears', async () => {
    const rootfs = `${node.dir}/rootfs`;
    await promisify(execFile)(`${repositoryDir}/hack/busybox-rootfs`, [rootfs]);
    const { address } = await testRegistry();
    const late = `${address}/late-${process.pid}:1`;
    const pod = (name: string, image: string, container = '') =>
      shellPod(name, { image, script: 'exec sleep 1000000', container });
    await agent.apply(
      pod('late', late) +
        pod('nowhere', '127.0.0.1:1/app:1') +
        pod('never', `${address}/absent:1`, '    imagePullPolicy: Never\n'),
    );
    const missing = statusOf(await waiting('late', 'ErrImagePull'), 'main').state.waiting;
    expect(missing?.message).to.contain(address).and.to.contain(`late-${process.pid}`);
    const down = statusOf(await waiting('nowhere', 'ErrImagePull'), 'main').state.waiting;
    expect(down?.message)
      .to.contain('127.0.0.1:1')
      .and.to.match(/ECONNREFUSED|refused/);
    await waiting('never', 'ErrImageNeverPull');
    await promisify(execFile)(process.execPath, [`${repositoryDir}/hack/push-image.mjs`, rootfs, late, 'sh']);
    await agent.ready('late');
    const reasons = (await agent.events('late')).map(({ reason }) => reason);
    expect(reasons).to.include.members(['Failed', 'Pulling', 'Pulled', 'Started']);
    await waiting('nowhere', 'ImagePullBackOff');
  });

  it('says that a command is not in the image, and leaves nothing of the container', async () => {
    const image = await node.image();
    const text = shellPod('wrong', { image, script: '' }).replace('command: [sh, -c, ""]', 'command: [nope]');
    await agent.apply(text);
    const pod = await waiting('wrong', 'RunContainerError');
    expect(statusOf(pod, 'main').state.waiting?.message).to.contain('nope');
    await agent.delete('wrong', 0);
    await waitFor('nothing', async () => (await agent.pod('wrong')) === undefined);
  });
});
