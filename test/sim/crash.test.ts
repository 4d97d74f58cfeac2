import type { Fault, FaultPlan } from './host/session.js';
import { bootCalmly, expectAsBefore, expectSound, idleWorld, live, restMs } from './node/checks.js';
import type { Promised } from './node/pod-driver.js';
import { PodDriver, nothingPromised } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import { SimWorld } from './node/world.js';

const scripts: PodScript[] = [
  { name: 'bridged', network: 'bridge', hostPort: 8080, restarts: false },
  { name: 'hosted', network: 'host', hostPort: 0, restarts: false },
  { name: 'alone', network: 'none', hostPort: 0, restarts: false },
  { name: 'mapped', network: 'bridge', hostPort: 8080, restarts: false, mapped: true },
];
const seed = 1;

const pod = (script: PodScript): Map<PodScript, Promised> => new Map([[script, nothingPromised()]]);

/** The fault at one effect of the first session. */
const at =
  (index: number, fault: Fault): FaultPlan =>
  (effect) =>
    effect.index === index ? fault : undefined;

/** Tries each fault in turn on a machine of its own, and reports the first that does harm. */
async function tryEach(
  faults: readonly [index: number, fault: Fault][],
  harmless: (index: number, fault: Fault, world: SimWorld) => Promise<void>,
): Promise<void> {
  const harms: string[] = [];
  for (const [index, fault] of faults) {
    const world = new SimWorld(seed);
    await harmless(index, fault, world).catch((thrown: Error) =>
      harms.push(
        `effect ${index} ${JSON.stringify(fault)}\n${thrown.message}\nlast:\n${world.lastEffects()}`,
      ),
    );
  }
  if (harms[0] !== undefined)
    throw new Error(`${harms.length} of ${faults.length} faults do harm: ${harms[0]}`);
}

for (const script of scripts) {
  describe(`sim: one pod, network ${script.network}${script.mapped === true ? ', in a user namespace' : ''}`, () => {
    let before: string[] = [];
    let effects: { index: number; cuts: number }[] = [];

    beforeEach(async () => {
      const idle = await idleWorld(seed);
      before = idle.before;
      await live(idle.world, pod(script));
      await expectAsBefore(idle.world, before, 'after a life without a fault');
      effects = idle.world.session.effects;
    });

    it('a crash before, in and after any effect leaks nothing and loses nothing', async () => {
      const faults = effects.flatMap(({ index, cuts }): [number, Fault][] => [
        [index, { kind: 'crash', when: 'before' }],
        ...Array.from({ length: cuts }, (_, cut): [number, Fault] => [
          index,
          { kind: 'crash', when: 'during', cut },
        ]),
        [index, { kind: 'crash', when: 'after' }],
      ]);
      await tryEach(faults, async (index, fault, world) => {
        const isBefore = fault.kind === 'crash' && fault.when === 'before';
        const pods = pod(script);
        const booted = await world.boot(at(index, fault), isBefore ? 'dropped' : 'done');
        if (booted.end === 'done') await live(world, pods);
        await world.pass(restMs);
        if (!world.session.isDead) throw new Error('the fault did not strike');
        await bootCalmly(world);
        await expectSound(world, before, { promised: [...pods.values()], afterFailures: false });
        await world.run(() => new PodDriver(world, script, pods.get(script)).removeAtOnce());
        await expectAsBefore(world, before, 'after removing all');
        const reused = await world.run(() => new PodDriver(world, script).reuseNames());
        if (reused.end !== 'done') throw new Error('the names are stuck', { cause: reused });
        await expectAsBefore(world, before, 'after another pod of the same names');
      });
    });

    it('an effect that fails is reported or mended, leaks nothing, and a retry works', async () => {
      const faults = effects.flatMap(({ index }): [number, Fault][] => [
        [index, { kind: 'fail', when: 'before' }],
        [index, { kind: 'fail', when: 'after' }],
      ]);
      await tryEach(faults, async (index, fault, world) => {
        const booted = await world.boot(at(index, fault));
        if (booted.end === 'failed') await bootCalmly(world);
        await live(world, pod(script));
        await expectAsBefore(world, before, 'after the pod was removed');
      });
    });
  });
}
