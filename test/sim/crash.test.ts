import { expect } from 'chai';
import type { Fault, FaultPlan, InFlight } from './host/session.js';
import { audit } from './node/audit.js';
import { difference, machineSummary } from './node/machine-summary.js';
import { PodDriver } from './node/pod-driver.js';
import type { PodScript } from './node/pod-script.js';
import { SimWorld } from './node/world.js';

const scripts: PodScript[] = [
  { name: 'bridged', network: 'bridge', hostPort: 8080 },
  { name: 'hosted', network: 'host', hostPort: 0 },
  { name: 'alone', network: 'none', hostPort: 0 },
];

/** The fault at one effect of the first session. */
const at =
  (index: number, fault: Fault): FaultPlan =>
  (effect) =>
    effect.index === index ? fault : undefined;

/** The machine as an idle node has it, and the effects of one pod's life without a fault. */
async function faultless(script: PodScript) {
  const world = new SimWorld(1);
  await world.boot();
  const before = machineSummary(world.machine);
  const outcome = await world.run(() => new PodDriver(world, script).wholeLife());
  expect(outcome).to.deep.equal({ end: 'done', value: undefined });
  await world.pass(200);
  expect(difference(before, machineSummary(world.machine))).to.deep.equal([]);
  return { before, effects: world.session.effects };
}

async function crashAndRecover(
  script: PodScript,
  before: string[],
  { plan, inFlight }: { plan: FaultPlan; inFlight: InFlight },
): Promise<void> {
  const world = new SimWorld(1);
  const driver = new PodDriver(world, script);
  const first = await world.boot(plan, inFlight);
  const crashed = first.end === 'crashed' ? first : await world.run(() => driver.wholeLife());
  expect(crashed.end, 'the first session').to.equal('crashed');
  const effects = world.lastEffects(4);
  try {
    expect(await world.boot()).to.deep.equal({ end: 'done', value: undefined });
    await world.pass(200);
    expect(await audit(world, before, [driver.promised])).to.deep.equal([]);
    await world.run(() => driver.down());
    await world.pass(200);
    expect(difference(before, machineSummary(world.machine)), 'after removal').to.deep.equal([]);
    expect(await world.run(() => driver.wholeLife())).to.deep.equal({ end: 'done', value: undefined });
    await world.pass(200);
    expect(difference(before, machineSummary(world.machine)), 'after the retry').to.deep.equal([]);
  } catch (thrown) {
    throw new Error(`crash after:\n${effects}\nthen:\n${world.lastEffects()}\n${(thrown as Error).message}`, {
      cause: thrown,
    });
  }
}

describe('sim: a crash at every effect', () => {
  for (const script of scripts) {
    it(`leaks nothing and loses nothing: pod "${script.name}"`, async () => {
      const { before, effects } = await faultless(script);
      const failures = new Map<string, string>();
      for (const { index, cuts } of effects) {
        const faults: Fault[] = [
          { kind: 'crash', when: 'before' },
          ...Array.from({ length: cuts }, (_, cut) => ({ kind: 'crash', when: 'during', cut }) as const),
          { kind: 'crash', when: 'after' },
        ];
        for (const fault of faults) {
          const inFlight = fault.kind === 'crash' && fault.when === 'before' ? 'dropped' : 'done';
          await crashAndRecover(script, before, { plan: at(index, fault), inFlight }).catch((thrown: Error) =>
            failures.set(`${index} ${JSON.stringify(fault)}`, thrown.message),
          );
        }
      }
      const [first] = failures;
      if (first === undefined) return;
      throw new Error(`${failures.size} faults at ${effects.length} effects; at ${first[0]}: ${first[1]}`);
    });
  }
});
