import { expect } from 'chai';
import type { RealNode } from '../real-node.js';
import { startRealNode } from '../real-node.js';
import { AgentClient, containerId, shellPod, statusOf } from './agent-client.js';

const forever = 'exec sleep 1000000';

describe('agent: restarts (real)', () => {
  let node: RealNode;
  let agent: AgentClient;
  let image: string;
  before(async () => {
    node = await startRealNode({ as: 'child' });
    agent = new AgentClient(node);
    image = await node.image();
  });
  after(() => node?.dispose());
  const side = () => `  - {name: side, image: "${image}", command: [sh, -c, "${forever}"]}\n`;
  const crashed = (name: string) =>
    agent.until(name, 'CrashLoopBackOff', (pod) => {
      const { state, restartCount } = statusOf(pod, 'main');
      return restartCount === 1 && state.waiting?.reason === 'CrashLoopBackOff';
    });

  it('follow the policy', async () => {
    const pod = (name: string, policy: string, script: string) =>
      shellPod(name, { image, script, spec: `  restartPolicy: ${policy}\n` });
    await agent.apply(
      [
        pod('always', 'Always', 'exit 0'),
        pod('on-failure-well', 'OnFailure', 'exit 0'),
        pod('on-failure-ill', 'OnFailure', 'exit 3'),
        pod('never', 'Never', 'exit 4'),
      ].join(''),
    );
    const ended = ({ status }: { status: { phase: string } }) =>
      ['Succeeded', 'Failed'].includes(status.phase);
    const well = await agent.until('on-failure-well', 'ends', ended);
    expect(well.status.phase).to.equal('Succeeded');
    const never = await agent.until('never', 'ends', ended);
    expect(never.status.phase).to.equal('Failed');
    expect(statusOf(never, 'main').state.terminated).to.include({ exitCode: 4, reason: 'Error' });
    expect(statusOf(await crashed('always'), 'main').lastState.terminated?.exitCode).to.equal(0);
    expect(statusOf(await crashed('on-failure-ill'), 'main').lastState.terminated?.exitCode).to.equal(3);
    expect(statusOf(await agent.pod('never'), 'main').restartCount).to.equal(0);
    for (const name of ['always', 'on-failure-well', 'on-failure-ill', 'never']) await agent.delete(name, 0);
  });

  it('restart one container and leave its neighbour alone; each run has its log', async () => {
    const script = 'echo run; sleep 0.7; echo end; exit 1';
    await agent.apply(shellPod('pair', { image, script, container: side() }));
    const first = await agent.until('pair', 'runs', ({ status }) => status.phase === 'Running');
    // Following ends with the run that was followed, as kubectl's does.
    expect(await agent.log('pair', { container: 'main', follow: 'true' })).to.equal('run\nend\n');
    const second = await crashed('pair');
    expect(containerId(second, 'side')).to.equal(containerId(first, 'side'));
    expect(statusOf(second, 'side')).to.include({ ready: true, restartCount: 0 });
    expect(containerId(second, 'main')).not.to.equal(containerId(first, 'main'));
    expect(await agent.log('pair', { container: 'main', previous: 'true' })).to.equal('run\nend\n');
    await agent.delete('pair', 0);
  });

  it('go on after the daemon was killed where they were: same containers, counts and back-off', async () => {
    await agent.apply(
      shellPod('steady', { image, script: forever }) + shellPod('crashing', { image, script: 'exit 1' }),
    );
    const steady = await agent.ready('steady');
    await crashed('crashing');
    const crashing = await agent.until('crashing', 'restarts again', (pod) => {
      const { state, restartCount } = statusOf(pod, 'main');
      return restartCount === 2 && state.waiting?.reason === 'CrashLoopBackOff';
    });
    await node.kill();
    await node.start();
    const later = await agent.until(
      'crashing',
      'waits',
      (pod) => statusOf(pod, 'main').state.waiting !== undefined,
    );
    expect(statusOf(later, 'main')).to.deep.include({
      containerID: statusOf(crashing, 'main').containerID,
      restartCount: 2,
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 20s restarting failed container' } },
    });
    const now = await agent.ready('steady');
    expect(statusOf(now, 'main').containerID).to.equal(statusOf(steady, 'main').containerID);
    expect(now.metadata.creationTimestamp).to.equal(steady.metadata.creationTimestamp);
  });

  it('change the image of one container only', async () => {
    const other = await node.image({ env: ['VARIANT=other'] });
    const text = shellPod('images', {
      image,
      script: 'echo $VARIANT; exec sleep 1000000',
      container: side(),
    });
    await agent.apply(text);
    const before = await agent.ready('images');
    const changed = text.replace(`image: "${image}"`, `image: "${other}"`);
    expect((await agent.apply(changed))[0]?.action).to.equal('configured');
    const after = await agent.until('images', 'runs the other image', (pod) => {
      const { restartCount, ready } = statusOf(pod, 'main');
      return restartCount === 1 && ready;
    });
    expect(containerId(after, 'side')).to.equal(containerId(before, 'side'));
    expect(after.status.podIP).to.equal(before.status.podIP);
    expect(await agent.log('images', { container: 'main' })).to.equal('other\n');
    expect((await agent.apply(changed))[0]?.action).to.equal('unchanged');
  });
});
