import type { Expected } from './audit.js';
import { audit } from './audit.js';
import { difference, machineSummary } from './machine-summary.js';
import type { Promised } from './pod-driver.js';
import { PodDriver, WrongAnswer } from './pod-driver.js';
import type { PodScript } from './pod-script.js';
import { SimWorld } from './world.js';

/** Longer than anything in the background takes: monitors that end, exits that are told. */
export const restMs = 200;
/** Longer than the patrol of src/pods takes to come round: after failures, some things wait for it. */
const patrolRestMs = 12_000;
/** As long as a kubelet waits before it tries again. */
const backOffMs = 15_000;
const patience = 4;

/** A machine with an idle node, and what is on it then. */
export async function idleWorld(seed: number): Promise<{ world: SimWorld; before: string[] }> {
  const world = new SimWorld(seed);
  await world.boot();
  return { world, before: machineSummary(world.machine) };
}

export async function expectAsBefore(
  world: SimWorld,
  before: readonly string[],
  when: string,
): Promise<void> {
  await world.pass(restMs);
  const left = difference(before, machineSummary(world.machine));
  if (left.length > 0) throw new Error(`${when}:\n${left.join('\n')}`);
}

export async function expectSound(world: SimWorld, before: readonly string[], expected: Expected) {
  await world.pass(expected.afterFailures ? patrolRestMs : restMs);
  const violations = await audit(world, before, expected);
  if (violations.length > 0) throw new Error(`after recovery:\n${violations.join('\n')}`);
}

/** Boots without faults. */
export async function bootCalmly(world: SimWorld): Promise<void> {
  const outcome = await world.boot();
  if (outcome.end !== 'done') throw new Error('the node does not start', { cause: outcome });
}

/** Pods' whole lives side by side, each begun again after an error as a kubelet does; true when all are through. */
export async function live(world: SimWorld, pods: ReadonlyMap<PodScript, Promised>): Promise<boolean> {
  const outcome = await world.run(() =>
    Promise.all(
      [...pods].map(async ([script, promised]) => {
        for (let tries = 1; ; tries++) {
          const driver = new PodDriver(world, script, promised);
          try {
            return await driver.wholeLife();
          } catch (thrown) {
            if (thrown instanceof WrongAnswer || tries > patience) throw thrown;
            await world.pause(backOffMs);
          }
        }
      }),
    ),
  );
  if (outcome.end === 'failed') throw outcome.error;
  return outcome.end === 'done';
}
