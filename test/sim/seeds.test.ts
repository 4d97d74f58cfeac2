import type { Fault, FaultPlan } from './host/session.js';
import { Dice } from './machine/dice.js';
import { bootCalmly, expectAsBefore, expectSound, idleWorld, live } from './node/checks.js';
import { WrongAnswer, nothingPromised } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import type { SimWorld } from './node/world.js';

const scripts: PodScript[] = [
  { name: 'web', network: 'bridge', hostPort: 8080, restarts: true },
  { name: 'db', network: 'bridge', hostPort: 8081, restarts: true },
  { name: 'agent', network: 'host', hostPort: 0, restarts: true },
  { name: 'batch', network: 'none', hostPort: 0, restarts: true },
];
/** `NODELET_SEED=17` runs that story alone, `NODELET_SEED=1000-5000` a range of them. */
const [first = 1, last = first] = (process.env['NODELET_SEED'] ?? '1-150').split('-').map(Number);
const seeds = Array.from({ length: last - first + 1 }, (_, index) => first + index);
const mostDelayMs = 12;
const mostRounds = 4;
const mostDownMs = 300;

/** A fault now and then: about a crash in a session, some failures, and many delays, which change the order of things. */
function plan(dice: Dice): FaultPlan {
  const [crash, fail, delay] = [dice.fraction() * 0.01, dice.fraction() * 0.02, dice.fraction() * 0.5];
  return (): Fault | undefined => {
    if (dice.chance(crash)) {
      const when = (['before', 'during', 'after'] as const)[dice.below(3)] ?? 'before';
      return when === 'during' ? { kind: 'crash', when, cut: dice.below(3) } : { kind: 'crash', when };
    }
    if (dice.chance(fail)) return { kind: 'fail', when: dice.chance(0.5) ? 'before' : 'after' };
    if (dice.chance(delay)) return { kind: 'delay', ms: 1 + dice.below(mostDelayMs) };
    return undefined;
  };
}

/** Several pods side by side through crashes, failures and restarts, and at last in peace to their ends. */
async function story(world: SimWorld, before: string[], dice: Dice): Promise<void> {
  const pods = new Map(scripts.map((script) => [script, nothingPromised()]));
  const expected = () => ({ promised: [...pods.values()], afterFailures: true });
  for (let round = dice.below(mostRounds) + 1; round > 0; round--) {
    const booted = await world.boot(plan(dice), dice.chance(0.5) ? 'done' : 'dropped');
    if (booted.end === 'done') {
      await live(world, pods).catch((thrown: unknown) => {
        if (thrown instanceof WrongAnswer) throw thrown;
      });
    }
    world.session.crash();
    await world.pass(dice.below(mostDownMs));
    const victims = world.machine.processes.all();
    const victim = victims[dice.below(victims.length)];
    if (victim !== undefined && dice.chance(0.3)) world.machine.murder(victim);
    if (dice.chance(0.5)) continue;
    await bootCalmly(world);
    await expectSound(world, before, expected());
  }
  await bootCalmly(world);
  await expectSound(world, before, expected());
  if (!(await live(world, pods))) throw new Error('a node without faults crashed');
  await expectAsBefore(world, before, 'after all pods were removed');
}

describe('sim: pods side by side, from seeds', () => {
  it(`${seeds.length} stories of crashes, failures and delays end with a clean machine`, async () => {
    for (const seed of seeds) {
      const { world, before } = await idleWorld(seed);
      await story(world, before, new Dice(seed)).catch((thrown: Error) => {
        throw new Error(
          `NODELET_SEED=${seed} shows it again: ${thrown.message}\nlast effects:\n${world.lastEffects(30)}`,
          { cause: thrown },
        );
      });
    }
  });
});
