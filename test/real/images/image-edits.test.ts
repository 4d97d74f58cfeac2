import { expect } from 'chai';
import { embeddedPauseReference } from '../../../src/images/pause-image.js';
import { ImageWorld, failureOf } from './image-world.js';
import { digestOf, imageOf, tarOf } from './registry-double.js';

const app = imageOf({ layers: [tarOf([{ name: 'app', text: 'app' }])] });
const other = imageOf({ layers: [tarOf([{ name: 'other', text: 'other' }])] });

describe('images: names that people give and take (real file system)', () => {
  let world: ImageWorld;
  beforeEach(async () => {
    world = new ImageWorld();
    await world.start();
    world.registry.put('app:1', app);
    world.registry.put('other:1', other);
    await world.pull('app:1');
  });
  afterEach(() => world.remove());

  const tagsOf = async (id: string) => (await world.status(id))?.repo_tags;
  const id = digestOf(app.config);
  const remove = (reference: string, force = false) => world.images.edits.removeName(reference, { force });

  it('tags an image, which stays over a restart and takes the name from another', async () => {
    expect(await world.images.edits.tag({ source: world.name('app:1'), name: 'mine' })).to.equal(
      'docker.io/library/mine:latest',
    );
    const otherId = await world.pull('other:1');
    await world.images.edits.tag({ source: otherId, name: 'mine:latest' });
    await world.restart();
    expect(await tagsOf(id)).to.deep.equal([world.name('app:1')]);
    expect(await tagsOf(otherId)).to.deep.equal([world.name('other:1'), 'docker.io/library/mine:latest']);
  });

  it('takes one name of several, and the image with the last', async () => {
    await world.images.edits.tag({ source: id, name: 'mine' });
    expect(await remove(world.name('app:1'))).to.deep.equal({
      untagged: [world.name('app:1')],
      removed: undefined,
    });
    expect(await world.status(id)).to.deep.include({
      repo_tags: ['docker.io/library/mine:latest'],
      repo_digests: [],
    });
    expect(await remove('mine')).to.deep.equal({ untagged: ['docker.io/library/mine:latest'], removed: id });
    expect(await world.status(id)).to.equal(null);
    expect((await failureOf(remove('mine'))).kind).to.equal('not-found');
  });

  it('takes an image by its id, one of several names only by force', async () => {
    await world.images.edits.tag({ source: id, name: 'mine' });
    const refused = await failureOf(remove(id.slice(7, 19)));
    expect(refused).to.include({ kind: 'wrong-state' });
    expect(refused.remedy).to.contain('docker.io/library/mine:latest');
    expect((await remove(id.slice(7, 19), true)).removed).to.equal(id);
    expect(await world.status(id)).to.equal(null);
  });

  it('leaves the pause image its name', async () => {
    const tag = (source: string, name: string) => world.images.edits.tag({ source, name });
    expect(await failureOf(tag(id, embeddedPauseReference))).to.include({ kind: 'denied', field: 'name' });
    expect((await failureOf(remove(embeddedPauseReference))).kind).to.equal('denied');
    await tag(embeddedPauseReference, 'pause');
    expect((await remove('pause')).removed).to.equal(undefined);
    expect(await world.status(embeddedPauseReference)).not.to.equal(null);
  });

  it('refuses by field what is no name', async () => {
    const tag = (source: string, name: string) => world.images.edits.tag({ source, name });
    expect(await failureOf(tag(id, `mine@${id}`))).to.include({ kind: 'invalid', field: 'name' });
    expect(await failureOf(tag(id, 'UPPER'))).to.include({ kind: 'invalid', field: 'name' });
    expect((await failureOf(tag('absent', 'mine'))).kind).to.equal('not-found');
  });

  it('tells the history of an image that was pulled, and of the embedded one', async () => {
    expect(await world.images.history(world.name('app:1'))).to.have.length(1);
    const [step] = await world.images.history(embeddedPauseReference);
    expect(step?.sizeBytes).to.be.above(0);
    expect((await failureOf(world.images.history('absent'))).kind).to.equal('not-found');
  });
});
