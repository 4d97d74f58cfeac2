import { expect } from 'chai';
import { backgroundContext } from '../../src/base/call-context.js';
import {
  newNetworkConfig,
  newPodSandboxStatusRequest,
  newRuntimeConfig,
  newUpdateRuntimeConfigRequest,
} from '../../src/ports/cri/messages.js';
import type { Fault } from './host/session.js';
import { bootCalmly, idleWorld } from './node/checks.js';
import { PodDriver } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import { simConfig } from './node/sim-config.js';
import { SimWorld } from './node/world.js';

const scriptOf = (name: string): PodScript => ({ name, network: 'bridge', hostPort: 0, restarts: false });
const ctx = backgroundContext();

const assign = (world: SimWorld, pod_cidr: string) =>
  world.run(() =>
    world.cri.UpdateRuntimeConfig(
      newUpdateRuntimeConfigRequest({
        runtime_config: newRuntimeConfig({ network_config: newNetworkConfig({ pod_cidr }) }),
      }),
      ctx,
    ),
  );
const bridgeAddresses = ({ machine }: SimWorld): readonly string[] =>
  machine.net.links().find(({ name }) => name === simConfig.network.bridge)?.addresses ?? [];

async function run<T>(world: SimWorld, work: () => Promise<T>): Promise<T> {
  const outcome = await world.run(work);
  if (outcome.end !== 'done') throw new Error('the node failed', { cause: outcome });
  return outcome.value;
}

/** A pod that runs, and its address as the status tells it. */
async function podUp(world: SimWorld, name: string): Promise<{ driver: PodDriver; ip: string }> {
  const driver = new PodDriver(world, scriptOf(name));
  await run(world, () => driver.up());
  const request = newPodSandboxStatusRequest({ pod_sandbox_id: driver.promised.readySandbox ?? '' });
  const { status } = await run(world, () => world.cri.PodSandboxStatus(request, ctx));
  return { driver, ip: status?.network?.ip ?? '' };
}

describe('sim: the range that a cluster assigns to the node', () => {
  it('is that of new pods, also after a restart; the others keep theirs until they go', async () => {
    const { world } = await idleWorld(1);
    const old = await podUp(world, 'old');
    expect((await assign(world, '10.244.1.0/24')).end).to.equal('done');
    expect(bridgeAddresses(world)).to.have.members(['10.244.1.1/24', '10.88.0.1/16']);
    expect(old.ip).to.match(/^10\.88\.0\./);
    const young = await podUp(world, 'young');
    expect(young.ip).to.match(/^10\.244\.1\./);

    await bootCalmly(world);
    expect(bridgeAddresses(world)).to.have.members(['10.244.1.1/24', '10.88.0.1/16']);
    expect((await podUp(world, 'late')).ip).to.match(/^10\.244\.1\./);
    await run(world, () => new PodDriver(world, scriptOf('old'), old.driver.promised).down());
    expect(bridgeAddresses(world)).to.deep.equal(['10.244.1.1/24']);
  });

  it('stays as it was where a request is empty or refused', async () => {
    const { world } = await idleWorld(1);
    const { driver } = await podUp(world, 'web');
    expect((await assign(world, '')).end).to.equal('done');
    const refused = await assign(world, '10.88.128.0/17');
    expect(refused).to.nested.include({ end: 'failed', 'error.kind': 'wrong-state' });
    expect((await assign(world, 'fd00::/64')).end).to.equal('failed');
    expect(bridgeAddresses(world)).to.deep.equal(['10.88.0.1/16']);
    await run(world, () => driver.down());
    // Nobody has an address of the old one any more.
    expect((await assign(world, '10.88.128.0/17')).end).to.equal('done');
    expect(bridgeAddresses(world)).to.deep.equal(['10.88.128.1/17']);
  });

  it('is the old or the new one after a fault at any effect of its change, and pods work with either', async () => {
    const calm = await idleWorld(1);
    await podUp(calm.world, 'old');
    const first = calm.world.session.effects.length;
    await assign(calm.world, '10.244.1.0/24');
    const effects = calm.world.session.effects.slice(first);
    expect(effects.length).to.be.greaterThan(2);
    const faults = effects.flatMap(({ index, cuts }): [number, Fault][] => [
      [index, { kind: 'fail', when: 'before' }],
      [index, { kind: 'fail', when: 'after' }],
      [index, { kind: 'crash', when: 'before' }],
      ...Array.from({ length: cuts }, (_, cut): [number, Fault] => [
        index,
        { kind: 'crash', when: 'during', cut },
      ]),
      [index, { kind: 'crash', when: 'after' }],
    ]);
    for (const [index, fault] of faults) {
      const world = new SimWorld(1);
      const what = `effect ${index} ${JSON.stringify(fault)}`;
      await world.boot((effect) => (effect.index === index ? fault : undefined));
      const { driver } = await podUp(world, 'old');
      const outcome = await assign(world, '10.244.1.0/24');
      expect(outcome.end, what).not.to.equal('done');
      if (outcome.end === 'crashed') await bootCalmly(world);
      const young = await podUp(world, 'young');
      const range = young.ip.startsWith('10.244.1.') ? '10.244.1.1/24' : '10.88.0.1/16';
      expect(bridgeAddresses(world), what).to.include.members([range, '10.88.0.1/16']);
      if (outcome.end === 'failed') expect(range, what).to.equal('10.88.0.1/16');
      await run(world, () => new PodDriver(world, scriptOf('old'), driver.promised).down());
      await run(world, () => young.driver.down());
      expect((await assign(world, '10.244.1.0/24')).end, what).to.equal('done');
      expect(bridgeAddresses(world), what).to.deep.equal(['10.244.1.1/24']);
    }
  });
});
