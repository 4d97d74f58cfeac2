import { expect } from 'chai';
import { silentLog } from '../../src/base/call-context.js';
import type { SampleTarget } from '../../src/pods/stats/usage-sample.js';
import { UsageSampler } from '../../src/pods/stats/usage-sampler.js';
import type { CgroupReading } from '../../src/ports/cgroup-meter.js';
import { SimClock } from '../sim/clock.js';
import { fullDetail, fullReading } from './stats-doubles.js';

const periodMs = 10_000;
const target = (id: string, clock: SimClock): SampleTarget => ({
  id,
  cgroupPath: `/pods/${id}`,
  startedAtNs: String(clock.nowNs()),
});

/** A sampler over groups of a machine whose readings the test writes. */
class SampledWorld {
  readonly clock = new SimClock();
  readonly groups = new Map<string, CgroupReading>();
  targets: SampleTarget[] = [];
  readonly read: string[] = [];
  readonly detailed: string[] = [];
  readonly sampler: UsageSampler;

  constructor() {
    this.sampler = new UsageSampler({
      host: {
        clock: this.clock,
        cgroupMeters: {
          open: async () => ({
            read: (path) => {
              this.read.push(path);
              return this.groups.get(path);
            },
            detail: (path) => {
              this.detailed.push(path);
              return this.groups.has(path)
                ? { ...fullDetail(), memory: { ...must(fullDetail().memory), maxUsageBytes: undefined } }
                : undefined;
            },
          }),
        },
        usageProbes: {
          openFiles: async () => ({ descriptors: 4, sockets: 1, softLimit: 100 }),
          folder: async () => undefined,
          fileSystem: () => Promise.reject(new Error('not asked')),
          deviceName: () => '',
        },
        links: {
          ensureBridge: () => Promise.reject(new Error('not asked')),
          createVeth: () => Promise.reject(new Error('not asked')),
          remove: () => Promise.reject(new Error('not asked')),
          list: async () => [],
          traffic: async () => new Map(),
        },
      },
      log: silentLog,
      housekeepingMs: periodMs,
      containers: () => this.targets,
      pods: () => [],
    });
  }

  add(id: string, usageNs = 0): SampleTarget {
    const added = target(id, this.clock);
    this.targets.push(added);
    this.groups.set(added.cgroupPath, fullReading(usageNs));
    return added;
  }

  use(id: string, usageNs: number): void {
    this.groups.set(`/pods/${id}`, fullReading(usageNs));
  }
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is there');
  return value;
}

describe('pods: sampling of usage', () => {
  it('reads each group once in a period, and the rate is that between two of them', async () => {
    const world = new SampledWorld();
    world.add('a', 1_000_000_000);
    world.sampler.start();
    await world.clock.advance(0);
    expect(world.sampler.sample('a')?.reading.cpu?.usageNs).to.equal(1_000_000_000);
    expect(world.sampler.sample('a')?.nanoCores, 'no time has passed yet').to.equal(undefined);
    world.use('a', 6_000_000_000);
    await world.clock.advance(periodMs - 1);
    expect(world.read).to.have.length(1);
    await world.clock.advance(2);
    expect(world.read).to.have.length(2);
    expect(world.sampler.sample('a')?.nanoCores).to.equal(500_000_000);
    await world.sampler.stop();
    await world.clock.advance(periodMs * 3);
    expect(world.read, 'nothing after its end').to.have.length(2);
  });

  it('reads what is new for the request that asks first, and for no other', async () => {
    const world = new SampledWorld();
    const fresh = world.add('new');
    await Promise.all([world.sampler.ensureSamples([fresh]), world.sampler.ensureSamples([fresh])]);
    await world.sampler.ensureSamples([fresh]);
    expect(world.read).to.deep.equal(['/pods/new']);
    expect(world.sampler.sample('new')).not.to.equal(undefined);
  });

  it('tells the rate since its start of something young', async () => {
    const world = new SampledWorld();
    const young = world.add('young', 0);
    await world.clock.advance(2000);
    world.use('young', 1_000_000_000);
    await world.sampler.ensureSamples([young]);
    expect(world.sampler.sample('young')?.nanoCores).to.equal(500_000_000);
  });

  it('never tells of a rate below nothing, when a group has been made anew', async () => {
    const world = new SampledWorld();
    world.add('a', 9_000_000_000);
    world.sampler.start();
    await world.clock.advance(1);
    world.use('a', 5);
    await world.clock.advance(periodMs);
    expect(world.sampler.sample('a')?.nanoCores).to.equal(0);
    await world.sampler.stop();
  });

  it('forgets what has ended, and has nothing of a group that is gone', async () => {
    const world = new SampledWorld();
    const [ended, gone] = [world.add('ended'), world.add('gone')];
    world.groups.delete(gone.cgroupPath);
    world.sampler.start();
    await world.clock.advance(1);
    expect(world.sampler.sample('gone')).to.equal(undefined);
    expect(world.sampler.sample('ended')).not.to.equal(undefined);
    world.targets = world.targets.filter((kept) => kept !== ended);
    await world.clock.advance(periodMs);
    expect(world.sampler.sample('ended')).to.equal(undefined);
    await world.sampler.stop();
  });

  it('reads details only while somebody asks for metrics', async () => {
    const world = new SampledWorld();
    const asked = world.add('a');
    world.sampler.start();
    await world.clock.advance(periodMs + 1);
    expect(world.detailed).to.deep.equal([]);
    await world.clock.drive(world.sampler.ensureDetails([asked]));
    expect(world.sampler.detail('a')?.files).to.deep.equal({ descriptors: 8, sockets: 2, softLimit: 100 });
    expect(world.sampler.detail('a')?.detail.memory?.maxUsageBytes, 'the highest seen').to.equal(1000);
    await world.clock.advance(periodMs + 1);
    expect(world.detailed).to.have.length(2);
    await world.clock.advance(10 * 60_000);
    const count = world.detailed.length;
    await world.clock.advance(10 * periodMs);
    expect(world.detailed).to.have.length(count);
    expect(world.sampler.detail('a')).to.equal(undefined);
    await world.sampler.stop();
  });
});
