import { expect } from 'chai';
import type { PodObject } from '../../src/agent/pod-object.js';
import { parseManifest } from '../../src/spec/manifests/manifest-parse.js';
import type { PodManifest } from '../../src/spec/manifests/pod-types.js';
import { AgentWorld, manifest } from './agent-world.js';

describe('agent: pods over a CRI runtime', () => {
  let world: AgentWorld;
  const pod = (name = 'web'): PodObject => world.agent.get({ namespace: 'default', name });
  const main = (): PodObject['status']['containerStatuses'][number] | undefined =>
    pod().status.containerStatuses[0];
  const apply = async (text: string): Promise<void> => {
    await world.agent.apply([{ source: 'test.yaml', text }]);
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

  it('keeps the back-off of a crashing container over a restart of the daemon', async () => {
    await apply(manifest('web'));
    for (const delayMs of [1000, 12_000]) {
      world.cri.exit('main', 1);
      await world.clock.advance(delayMs);
    }
    world.cri.exit('main', 1);
    await world.clock.advance(1000);
    await world.restart();
    await world.clock.advance(17_000);
    expect(main()?.state.waiting).to.deep.equal({
      reason: 'CrashLoopBackOff',
      message: 'back-off 20s restarting failed container',
    });
    expect(main()?.restartCount).to.equal(2);
    await world.clock.advance(3000);
    expect(main()).to.include({ ready: true, restartCount: 3 });
  });

  it('keeps the back-off of an image that cannot be pulled over a restart of the daemon', async () => {
    world.cri.unpullable.add('app:1');
    await apply(manifest('web'));
    await world.clock.advance(11_000);
    const pulls = world.cri.calls.length;
    await world.restart();
    await world.clock.advance(15_000);
    expect(world.cri.calls.length).to.equal(pulls);
    expect(main()?.state.waiting?.reason).to.equal('ImagePullBackOff');
    expect(main()?.state.waiting?.message).to.contain('manifest unknown');
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
    await world.clock.advance(2000);
    expect(main()?.state.waiting?.reason).to.equal('ImagePullBackOff');
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
    expect((await world.agent.apply([{ source: 'f', text: manifest('web') }]))[0]?.action).to.equal(
      'unchanged',
    );
    const text = manifest('web', '', '    args: [x]\n');
    expect((await world.agent.apply([{ source: 'f', text }]))[0]?.action).to.equal('replaced');
    await world.clock.advance(0);
    expect(world.cri.running('main')?.config.args).to.deep.equal(['x']);
    expect(world.cri.sandboxes.size).to.equal(1);
  });

  const two = (image: string, labels = ''): string =>
    manifest('web', '', `  - {name: side, image: "${image}"}\n`).replace(
      '{name: web}',
      `{name: web, labels: {${labels}}}`,
    );

  it('restarts only the container whose image has changed, once the new image is there', async () => {
    await apply(two('side:1'));
    world.cri.unpullable.add('side:2');
    const before = world.cri.calls.length;
    await apply(two('side:2'));
    expect(world.cri.running('side')?.config.image?.user_specified_image).to.equal('side:1');
    world.cri.unpullable.clear();
    await world.clock.advance(11_000);
    expect(world.cri.calls.slice(before)).to.deep.equal([
      'PullImage side:2',
      'PullImage side:2',
      'StopContainer side 30',
      'CreateContainer side',
      'StartContainer side',
    ]);
    expect(world.cri.running('side')?.config.image?.user_specified_image).to.equal('side:2');
    expect(main()).to.include({ ready: true, restartCount: 0 });
  });

  it('changes labels without touching what runs', async () => {
    await apply(two('side:1'));
    const before = world.cri.calls.length;
    const applied = await world.agent.apply([{ source: 'f', text: two('side:1', 'tier: front') }]);
    expect(applied[0]?.action).to.equal('configured');
    await world.clock.advance(5000);
    expect(world.cri.calls.slice(before)).to.deep.equal([]);
    expect(pod().metadata.labels).to.deep.equal({ tier: 'front' });
  });

  it('starts a pod anew with its counts at 0 when something else has changed', async () => {
    await apply(manifest('web'));
    world.cri.exit('main', 1);
    await world.clock.advance(1000);
    expect(main()?.restartCount).to.equal(1);
    await apply(manifest('web', '', '    args: [x]\n'));
    expect(main()).to.include({ ready: true, restartCount: 0 });
  });

  it('refuses to replace in place what Kubernetes holds to be immutable', async () => {
    await apply(manifest('web'));
    const { pods } = parseManifest(manifest('web', '  hostNetwork: true\n'), 'f');
    const refused = await world.agent.replace(pods[0] as PodManifest).catch((thrown: unknown) => thrown);
    expect(refused).to.include({ kind: 'invalid', field: 'spec.hostNetwork' });
    expect(world.cri.calls.filter((call) => call.startsWith('RunPodSandbox'))).to.have.length(1);
  });

  it('applies all pods of an apply or none', async () => {
    await world.putManifest('own.yaml', manifest('own'));
    const text = `${manifest('new')}---\n${manifest('own', '', '    args: [x]\n')}`;
    const refused = await world.agent.apply([{ source: 'f', text }]).catch((thrown: unknown) => thrown);
    expect(refused).to.include({ kind: 'denied' });
    expect(world.agent.list().map(({ metadata }) => metadata.name)).to.deep.equal(['own']);
    const twice = [1, 2].map((count) => ({ source: `${count}.yaml`, text: manifest('new') }));
    const second = await world.agent.apply(twice).catch((thrown: Error) => thrown.message);
    expect(second).to.equal('2.yaml:1: metadata.name: pod default/new is in 1.yaml, too');
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
