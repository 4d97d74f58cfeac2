import fs from 'node:fs';
import { expect } from 'chai';
import type { ImageId } from '../../../src/base/ids.js';
import { newImageSpec, newPodSandboxConfig, newPodSandboxMetadata } from '../../../src/ports/cri/messages.js';
import { newPullImageRequest } from '../../../src/ports/cri/messages.js';
import { backgroundContext, silentLog } from '../../../src/base/call-context.js';
import type { Host } from '../../../src/ports/host.js';
import { waitFor } from '../real-node.js';
import { ImageWorld } from './image-world.js';
import { digestOf, imageOf, tarOf } from './registry-double.js';

const base = tarOf([{ name: 'base', text: 'b'.repeat(20_000) }]);
const layer = (name: string) => tarOf([{ name, text: name.repeat(10_000) }]);
const one = imageOf({ layers: [base, layer('1')] });
const two = imageOf({ layers: [base, layer('2')] });
const idOf = (image: typeof one): ImageId => digestOf(image.config) as ImageId;

describe('images: garbage collection (real file system)', () => {
  let world: ImageWorld;
  beforeEach(async () => {
    world = new ImageWorld();
    await world.start();
    world.registry.put('one:1', one);
    world.registry.put('two:1', two);
  });
  afterEach(() => world.remove());

  const verdicts = async (all: boolean, dryRun = false) =>
    Object.fromEntries(
      (await world.images.gc.prune({ all, dryRun })).map(({ id, verdict, reason }) => [
        id,
        `${verdict}: ${reason.replace(/\d+s$/, 'Ns')}`,
      ]),
    );

  it('removes what no container uses, gives its space back, and keeps the pause image', async () => {
    const before = (await world.store()).folders.length;
    await world.pull('one:1');
    await world.pull('two:1');
    await world.images.snapshots.prepare('c1', idOf(one));
    const usedBytes = (await world.usage()).bytes;
    const told = await world.images.gc.prune({ all: true, dryRun: false });
    const freedBytes = told.reduce((sum, verdict) => sum + verdict.freedBytes, 0);
    expect(freedBytes)
      .to.equal(usedBytes - (await world.usage()).bytes)
      .and.to.be.above(10_000);
    expect(told.find(({ id }) => id === idOf(one))).to.include({ verdict: 'kept', reason: 'in use by c1' });
    expect(told.find(({ id }) => id === idOf(two))).to.include({ verdict: 'removed' });
    expect(told.find(({ names }) => names[0]?.includes('pause') === true)?.reason).to.contain('pinned');
    await world.images.snapshots.remove('c1');
    expect((await verdicts(true))[idOf(one)]).to.equal('removed: unused for Ns');
    expect((await world.list()).map(({ pinned }) => pinned)).to.deep.equal([true]);
    expect((await world.store()).folders.length, 'folders').to.be.at.most(before + 2);
  });

  it('takes those without a tag unless all are meant, and nothing in a dry run', async () => {
    await world.pull('one:1');
    await world.pull(`two@${digestOf(two.manifest)}`);
    expect(await verdicts(false, true)).to.include({
      [idOf(one)]: 'kept: has a tag',
      [idOf(two)]: 'removed: unused for Ns',
    });
    expect((await world.list()).length).to.equal(3);
    await verdicts(false);
    expect((await world.list()).map(({ id }) => id))
      .to.include(idOf(one))
      .and.not.to.include(idOf(two));
  });

  it('keeps an image for the pod that it was pulled for', async () => {
    const pod = newPodSandboxMetadata({ name: 'web', namespace: 'default', uid: 'u' });
    await world.images.verbs.PullImage(
      newPullImageRequest({
        image: newImageSpec({ image: world.name('one:1') }),
        sandbox_config: newPodSandboxConfig({ metadata: pod }),
      }),
      backgroundContext(silentLog),
    );
    expect((await verdicts(true))[idOf(one)]).to.equal(
      'kept: in use by pod default/web, which it was pulled for',
    );
    await world.images.snapshots.prepare('c1', idOf(one));
    await world.images.snapshots.remove('c1');
    expect((await verdicts(true))[idOf(one)]).to.equal('removed: unused for Ns');
  });

  it('frees a full disk by itself, and remembers the last uses over a restart', async () => {
    await world.pull('one:1');
    await world.pull('two:1');
    await world.images.snapshots.prepare('c1', idOf(one));
    await world.images.snapshots.remove('c1');
    const full = (host: Host): Host => ({
      ...host,
      usageProbes: {
        ...host.usageProbes,
        // As long as both are there, a byte is missing.
        fileSystem: async () => ({
          device: '/dev/x',
          capacityBytes: 1_000,
          availableBytes: 199 + (fs.readdirSync(`${world.dir}/layers`).length < 4 ? 1 : 0),
          inodes: 1,
          freeInodes: 1,
        }),
      },
    });
    const gc = { highThresholdPercent: 81, lowThresholdPercent: 80, minimumAgeMs: 0, periodMs: 1_000 };
    await world.restart({ wrap: full, gc });
    await waitFor('the older image to go', async () => (await world.list()).length === 2);
    expect((await world.list()).map(({ id }) => id)).to.include(idOf(one));
  });
});
