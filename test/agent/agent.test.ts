import { expect } from 'chai';
import type { PodObject } from '../../src/agent/pod-object.js';
import { AgentWorld, manifest } from './agent-world.js';

describe('agent: pods over a CRI runtime', () => {
  let world: AgentWorld;
  const pod = (name = 'web'): PodObject => world.agent.get({ namespace: 'default', name });
  const main = (): PodObject['status']['containerStatuses'][number] | undefined =>
    pod().status.containerStatuses[0];
  const apply = async (text: string): Promise<void> => {
    await world.agent.applyText(text, 'test.yaml');
    await world.clock.advance(0);
  };

  beforeEach(async () => {
    world = new AgentWorld();
    await world.agent.start();
  });
  afterEach(async () => world.agent.stop());

  it('runs a pod and shows it in the shape of Kubernetes', async () => {
    await apply(manifest('web'));
    expect(world.cri.calls).to.deep.equal([
      'RunPodSandbox web',
      'PullImage app:1',
      'CreateContainer main',
      'StartContainer main',
    ]);
    expect(pod().status).to.include({ phase: 'Running', podIP: '10.88.0.7' });
    expect(main()).to.include({ ready: true, restartCount: 0 });
    expect(world.agent.events('default', 'web').map(({ reason }) => reason)).to.deep.equal([
      'Pulling',
      'Pulled',
      'Created',
      'Started',
    ]);
  });

  it('runs init containers one after the other, each to its end', async () => {
    await apply(
      manifest('web', '  initContainers:\n  - {name: a, image: app:1}\n  - {name: b, image: app:1}\n'),
    );
    expect(world.cri.running('a')).not.to.equal(undefined);
    expect(world.cri.byName('b')).to.have.length(0);
    expect(pod().status.phase).to.equal('Pending');
    world.cri.exit('a', 0);
    await world.clock.advance(1000);
    world.cri.exit('b', 0);
    await world.clock.advance(1000);
    expect(pod().status.phase).to.equal('Running');
  });

  it('restarts a crashing container at once, then after 10 s, then after 20 s', async () => {
    await apply(manifest('web'));
    world.cri.exit('main', 1);
    await world.clock.advance(1000);
    expect(main()?.restartCount).to.equal(1);
    for (const delayMs of [10_000, 20_000]) {
      world.cri.exit('main', 1);
      await world.clock.advance(delayMs - 1000);
      expect(main()?.state.waiting?.reason).to.equal('CrashLoopBackOff');
      await world.clock.advance(2000);
      expect(main()?.state).to.have.property('running');
    }
    expect(main()?.lastState.terminated).to.include({ exitCode: 1, reason: 'Error' });
    expect(world.cri.byName('main')).to.have.length(2);
  });

  it('leaves a finished pod finished, also over a restart', async () => {
    await apply(manifest('web', '  restartPolicy: Never\n'));
    world.cri.exit('main', 0);
    await world.clock.advance(1000);
    expect(pod().status.phase).to.equal('Succeeded');
    await world.restart();
    await world.clock.advance(30_000);
    expect(pod().status.phase).to.equal('Succeeded');
    expect(world.cri.byName('main')).to.have.length(1);
  });

  it('says why an image cannot be pulled and tries again later', async () => {
    world.cri.unpullable.add('app:1');
    await apply(manifest('web'));
    expect(main()?.state.waiting?.reason).to.equal('ErrImagePull');
    world.cri.unpullable.clear();
    await world.clock.advance(11_000);
    expect(main()?.state).to.have.property('running');
  });

  it('makes a new sandbox when the old one has died', async () => {
    await apply(manifest('web'));
    world.cri.killSandboxes();
    await world.clock.advance(2000);
    expect([...world.cri.sandboxes.values()].map(({ metadata }) => metadata?.attempt)).to.deep.equal([1]);
    expect(main()).to.include({ ready: true, restartCount: 1 });
  });

  it('deletes with the grace asked for and leaves nothing behind', async () => {
    await apply(
      manifest(
        'web',
        '  volumes: [{name: v, emptyDir: {}}]\n',
        '    volumeMounts: [{name: v, mountPath: /v}]\n',
      ),
    );
    expect([...world.tree.keys()].filter((path) => path.startsWith('/root/volumes'))).to.have.length(1);
    await world.agent.delete({ namespace: 'default', name: 'web' }, 7);
    await world.clock.advance(0);
    expect(world.cri.calls).to.include('StopContainer main 7');
    expect(world.cri.sandboxes.size + world.agent.list().length).to.equal(0);
    expect([...world.tree.keys()].filter((path) => /^\/(root|logs)/.test(path))).to.deep.equal([]);
  });

  it('takes its running pods over after a restart, without touching them', async () => {
    await apply(manifest('web'));
    const before = world.cri.calls.length;
    await world.restart();
    await world.clock.advance(5000);
    expect(world.cri.calls.slice(before)).to.deep.equal([]);
    expect(pod().status.phase).to.equal('Running');
  });

  it('replaces a pod whose spec has changed, and only then', async () => {
    await apply(manifest('web'));
    expect((await world.agent.applyText(manifest('web'), 'f'))[0]?.action).to.equal('unchanged');
    expect((await world.agent.applyText(manifest('web', '', '    args: [x]\n'), 'f'))[0]?.action).to.equal(
      'configured',
    );
    await world.clock.advance(0);
    expect(world.cri.running('main')?.config.args).to.deep.equal(['x']);
    expect(world.cri.sandboxes.size).to.equal(1);
  });

  it('follows the manifest folder; a broken file is reported and keeps its pods', async () => {
    await world.putManifest('web.yaml', manifest('web'));
    expect(pod().status.phase).to.equal('Running');
    await world.putManifest('web.yaml', 'kind: [');
    expect(world.agent.manifestProblems()[0]?.file).to.equal('web.yaml');
    expect(pod().status.phase).to.equal('Running');
    await world.putManifest('web.yaml', undefined);
    expect(world.agent.list()).to.deep.equal([]);
  });

  it('passes annotations through to the sandbox', async () => {
    await apply(
      manifest('web').replace('{name: web}', '{name: web, annotations: {nodelet.dev/network: none}}'),
    );
    expect([...world.cri.sandboxes.values()][0]?.annotations).to.include({ 'nodelet.dev/network': 'none' });
  });
});
