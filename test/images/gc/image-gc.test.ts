import { expect } from 'chai';
import { silentLog } from '../../../src/base/call-context.js';
import type { ImageId } from '../../../src/base/ids.js';
import type { ImageUser, KnownImage } from '../../../src/images/gc/image-gc.js';
import { ImageGc } from '../../../src/images/gc/image-gc.js';
import type { ImageUseRecord } from '../../../src/images/gc/image-uses.js';
import { ImageUses } from '../../../src/images/gc/image-uses.js';
import type { RecordTable } from '../../../src/ports/record-store.js';
import type { UsageProbes } from '../../../src/ports/usage-probes.js';
import { SimClock } from '../../sim/clock.js';

const minuteMs = 60_000;
const capacityBytes = 1_000;
const idOf = (name: string): ImageId => `sha256:${name}` as ImageId;

/** Images of 100 bytes each on a disk of 1000, of which others have `othersBytes`. */
class GcWorld {
  readonly clock = new SimClock();
  readonly rows = new Map<string, ImageUseRecord>();
  images: KnownImage[] = [];
  users: ImageUser[] = [];
  othersBytes = 0;
  /** Records can't be written. */
  isRefusing = false;
  beforeRemoval: (id: ImageId) => void = () => undefined;
  uses = this.openUses();

  openUses(): ImageUses {
    const table: RecordTable<ImageUseRecord> = {
      get: (key) => this.rows.get(key),
      entries: () => [...this.rows],
      put: async (key, value) => {
        if (this.isRefusing) throw new Error('the disk is full');
        this.rows.set(key, value);
      },
      remove: async (key) => void this.rows.delete(key),
    };
    return new ImageUses(table, () => Number(this.clock.nowNs() / 1_000_000n));
  }

  gc(highThresholdPercent = 85): ImageGc {
    const fileSystem = async () => ({
      device: '/dev/x',
      capacityBytes,
      availableBytes: capacityBytes - this.othersBytes - 100 * this.images.length,
      inodes: 1,
      freeInodes: 1,
    });
    return new ImageGc({
      config: {
        highThresholdPercent,
        lowThresholdPercent: 60,
        minimumAgeMs: 2 * minuteMs,
        periodMs: 5 * minuteMs,
      },
      storePath: '/store',
      host: { clock: this.clock, usageProbes: { fileSystem } as unknown as UsageProbes },
      log: silentLog,
      uses: this.uses,
      images: () => this.images,
      users: () => this.users,
      layerBytes: () => 100,
      remove: async (ids) => {
        for await (const id of ids) {
          this.images = this.images.filter((image) => image.id !== id);
          this.beforeRemoval(id);
        }
      },
    });
  }

  /** Adds images that are used one after another, a minute apart. */
  async addImages(...names: string[]): Promise<void> {
    for (const name of names) {
      const [id, repoTags] = [idOf(name), [`${name}:1`]];
      this.images.push({ id, repoTags, repoDigests: [], pinned: false, layers: [name] });
      this.uses.touch(id);
      await this.pass(minuteMs);
    }
  }

  use(name: string): void {
    this.users.push({ id: `${name}-container`, imageId: idOf(name), layers: [name] });
    this.uses.claimed(idOf(name));
  }

  pass(ms: number): Promise<void> {
    return this.clock.drive(this.clock.sleep(ms));
  }

  names(): string {
    return this.images.map(({ id }) => id.slice(7)).join(' ');
  }
}

describe('images: garbage collection', () => {
  let world: GcWorld;
  beforeEach(async () => {
    world = new GcWorld();
    await world.addImages('a', 'b', 'c', 'd', 'e');
    await world.pass(10 * minuteMs);
  });

  it('leaves a disk alone that is below the high threshold', async () => {
    world.othersBytes = 340;
    expect(await world.gc().round()).to.deep.equal([]);
    expect(world.names()).to.equal('a b c d e');
  });

  it('frees a full disk down to the low threshold, least recently used first', async () => {
    world.othersBytes = 400;
    world.use('b');
    world.uses.touch(idOf('a'));
    await world.pass(3 * minuteMs);
    const verdicts = await world.gc().round();
    expect(world.names()).to.equal('a b');
    expect(verdicts.map(({ id, verdict }) => `${id.slice(7)} ${verdict}`)).to.deep.equal([
      'c removed',
      'd removed',
      'e removed',
      'a kept',
      'b kept',
    ]);
  });

  it('never removes anything where the high threshold is 100', async () => {
    world.othersBytes = 500;
    expect(await world.gc(100).round()).to.deep.equal([]);
    expect(world.names()).to.equal('a b c d e');
  });

  it('comes by itself, a period after the start and again, until it is stopped', async () => {
    const gc = world.gc();
    gc.start();
    world.othersBytes = 400;
    await world.pass(4 * minuteMs);
    expect(world.names()).to.equal('a b c d e');
    await world.pass(2 * minuteMs);
    expect(world.names()).to.equal('d e');
    await gc.stop();
    world.othersBytes = 800;
    for (const _ of [1, 2, 3]) await world.pass(6 * minuteMs);
    expect(world.names()).to.equal('d e');
  });

  it('frees the disk also when it is too full for records', async () => {
    world.othersBytes = 400;
    world.isRefusing = true;
    await world.gc().round();
    expect(world.names()).to.equal('d e');
  });

  it('keeps an image that a container has come for after the plan was made', async () => {
    world.beforeRemoval = (id) => id === idOf('a') && world.use('b');
    const verdicts = await world.gc().prune({ all: true, dryRun: false });
    expect(world.names()).to.equal('b');
    expect(verdicts[1]).to.include({ verdict: 'kept', reason: 'in use by b-container', freedBytes: 0 });
  });

  it('keeps what was pulled for a pod until its container is there, or does not come', async () => {
    world.uses.pulledFor(idOf('a'), 'default/web');
    const prune = () => world.gc().prune({ all: true, dryRun: true });
    const verdictOnA = async () => (await prune()).find(({ id }) => id === idOf('a'));
    expect(await verdictOnA()).to.include({
      verdict: 'kept',
      reason: 'in use by pod default/web, which it was pulled for',
    });
    await world.pass(2 * minuteMs);
    expect(await verdictOnA()).to.include({ verdict: 'removed' });
    expect(world.names(), 'a dry run changes nothing').to.equal('a b c d e');
  });

  it('remembers over a restart what was used last, and forgets images that are gone', async () => {
    world.uses.touch(idOf('a'));
    await world.gc().round();
    world.images = world.images.filter(({ id }) => id !== idOf('e'));
    await world.gc().stop();
    expect([...world.rows.keys()].sort()).to.deep.equal(['a', 'b', 'c', 'd'].map(idOf));
    world.uses = world.openUses();
    await world.pass(3 * minuteMs);
    const order = (await world.gc().prune({ all: true, dryRun: true })).map(({ id }) => id.slice(7));
    expect(order).to.deep.equal(['b', 'c', 'd', 'a']);
  });
});
