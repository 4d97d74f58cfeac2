import { expect } from 'chai';
import { idleWorld } from './node/checks.js';
import { PodDriver } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import { simConfig } from './node/sim-config.js';
import type { SimWorld } from './node/world.js';

const script: PodScript = { name: 'web', network: 'bridge', hostPort: 8080, restarts: false };
/** Longer than the patrol takes to come round. */
const patrolRestMs = 12_000;

const rulesOf = ({ machine }: SimWorld) => machine.nft.elements('ip', simConfig.network.table);

describe('sim: what happens while no client asks', () => {
  it('gives the network of a pod back whose infra container was killed', async () => {
    const { world } = await idleWorld(1);
    const driver = new PodDriver(world, script);
    await world.run(() => driver.up());
    const { machine } = world;
    const infra = machine.truth.get(driver.promised.readySandbox ?? '')?.process;
    if (infra === undefined) throw new Error('the pod has no infra container');
    expect([machine.pins.size, rulesOf(world).length]).to.deep.equal([1, 1]);
    machine.murder(infra);
    await world.pass(patrolRestMs);
    expect([machine.pins.size, rulesOf(world).length]).to.deep.equal([0, 0]);
  });

  it('removes the exit file of a container that is no more', async () => {
    const { world } = await idleWorld(1);
    const file = `${simConfig.runDir}/exits/${'0a'.repeat(32)}`;
    world.machine.files.write(file, '137');
    await world.pass(patrolRestMs);
    expect(world.machine.files.find(file)).to.equal(undefined);
  });
});
