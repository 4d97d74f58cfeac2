import { expect } from 'chai';
import { silentLog } from '../../src/base/call-context.js';
import { WritableLayers } from '../../src/pods/stats/writable-layers.js';
import type { FolderUsage } from '../../src/ports/usage-probes.js';
import { SimClock } from '../sim/clock.js';

const periodMs = 60_000;

class LayeredWorld {
  readonly clock = new SimClock();
  ids: string[] = [];
  walks: string[] = [];
  walking = 0;
  mostAtOnce = 0;
  walkMs = 10;
  found: FolderUsage = { bytes: 4096, inodes: 2, complete: true };
  readonly warnings: string[] = [];
  readonly layers = new WritableLayers({
    host: {
      clock: this.clock,
      usageProbes: {
        openFiles: async () => undefined,
        deviceName: () => '',
        fileSystem: async () => ({
          device: '/dev/x',
          capacityBytes: 1,
          availableBytes: 1,
          inodes: 1,
          freeInodes: 1,
        }),
        folder: async (dir, { signal }) => {
          this.walks.push(dir);
          this.mostAtOnce = Math.max(this.mostAtOnce, ++this.walking);
          await this.clock.sleep(this.walkMs, signal).catch(() => undefined);
          this.walking--;
          return signal.aborted ? { ...this.found, complete: false } : this.found;
        },
      },
    },
    log: { ...silentLog, warn: (_, message) => void this.warnings.push(message) },
    storeDir: '/store',
    periodMs,
    layers: () => this.ids.map((id) => ({ id, dir: `/store/${id}` })),
  });
}

describe('pods: usage of writable layers', () => {
  it('is measured in the background, one layer at a time, in rounds', async () => {
    const world = new LayeredWorld();
    world.ids = ['a', 'b', 'c'];
    world.layers.start();
    await world.clock.advance(periodMs / 2);
    expect(world.walks).to.deep.equal(['/store/a', '/store/b', '/store/c']);
    expect(world.mostAtOnce).to.equal(1);
    expect(world.layers.usage('b')).to.deep.include({ bytes: 4096, inodes: 2 });
    await world.clock.advance(periodMs);
    expect(world.walks).to.have.length(6);
    await world.layers.stop();
    await world.clock.advance(periodMs * 3);
    expect(world.walks).to.have.length(6);
  });

  it('of a new container is there for the first request, which does not wait for a long walk', async () => {
    const world = new LayeredWorld();
    world.ids = ['new'];
    await world.clock.drive(world.layers.ensure(['new']));
    expect(world.layers.usage('new')).to.deep.include({ bytes: 4096 });
    await world.clock.drive(world.layers.ensure(['new']));
    expect(world.walks, 'measured once').to.have.length(1);
    world.ids.push('huge');
    world.walkMs = 20_000;
    const startMs = world.clock.monotonicMs();
    await world.clock.drive(world.layers.ensure(['huge']));
    expect(world.clock.monotonicMs() - startMs).to.be.below(1000);
    expect(world.layers.usage('huge')).to.equal(undefined);
    await world.clock.advance(20_000);
    expect(world.layers.usage('huge')).to.deep.include({ bytes: 4096 });
  });

  it('is what a walk found by its bound, and is said once to be at least that', async () => {
    const world = new LayeredWorld();
    world.ids = ['endless'];
    world.walkMs = 10 * 60_000;
    world.layers.start();
    await world.clock.advance(31_000);
    expect(world.layers.usage('endless')).to.deep.include({ bytes: 4096, inodes: 2 });
    await world.clock.advance(10 * 60_000);
    expect(world.walks.length).to.be.greaterThan(1);
    expect(world.warnings).to.have.length(1);
    const stopping = world.layers.stop();
    await world.clock.advance(1);
    await stopping;
  });

  it('rests between walks, so that they take a small part of the time', async () => {
    const world = new LayeredWorld();
    world.ids = ['a', 'b'];
    world.walkMs = 1000;
    world.layers.start();
    await world.clock.advance(2000);
    expect(world.walks).to.have.length(1);
    await world.clock.advance(4000);
    expect(world.walks).to.have.length(2);
    const stopping = world.layers.stop();
    await world.clock.advance(1);
    await stopping;
  });

  it('goes with its container', async () => {
    const world = new LayeredWorld();
    world.ids = ['a'];
    world.layers.start();
    await world.clock.advance(1000);
    world.ids = [];
    await world.clock.advance(periodMs);
    expect(world.layers.usage('a')).to.equal(undefined);
    await world.layers.stop();
  });
});
