import type http from 'node:http';
import { expect } from 'chai';
import { NodeletError } from '../../../src/base/errors.js';
import { newAuthConfig } from '../../../src/ports/cri/messages.js';
import { ImageWorld, failureOf } from './image-world.js';
import { digestOf, imageOf, tarOf } from './registry-double.js';

const [shared = Buffer.alloc(0), own = Buffer.alloc(0), third = Buffer.alloc(0)] = [
  'shared',
  'own',
  'third',
].map((text) => tarOf([{ name: text, text }]));

describe('images: pulls at the same time (real file system)', () => {
  let world: ImageWorld;
  beforeEach(async () => {
    world = new ImageWorld();
    await world.start();
  });
  afterEach(() => world.remove());

  /** Holds requests for a blob back; resolves `asked` when one has come. */
  function holdBlob(blob: Buffer): { asked: Promise<void>; release: () => void } {
    const held: [http.IncomingMessage, http.ServerResponse][] = [];
    let open = false;
    let tell: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (tell = resolve));
    world.registry.on(digestOf(blob), (request, response) => {
      if (open) world.registry.serve(request.url ?? '', response);
      else held.push([request, response]);
      tell();
    });
    const release = (): void => {
      open = true;
      for (const [request, response] of held) world.registry.serve(request.url ?? '', response);
    };
    return { asked, release };
  }

  it('cancels for one caller alone, with its own reason, while those who joined get the image', async () => {
    world.registry.put('app:1', imageOf({ layers: [own] }));
    const { asked, release } = holdBlob(own);
    const leaver = new AbortController();
    const deadline = new NodeletError('deadline', 'too late');
    const left = failureOf(world.pull('app:1', { signal: leaver.signal }));
    await asked;
    const stays = world.pull('app:1');
    leaver.abort(deadline);
    expect(await left).to.equal(deadline);
    release();
    expect(await stays).to.match(/^sha256:/);
    expect(world.registry.count(digestOf(own))).to.equal(1);
  });

  it('cancels the pull with the last caller, who is answered when nothing of it is left', async () => {
    world.registry.put('app:1', imageOf({ layers: [own, shared] }));
    const before = await world.store();
    const { asked } = holdBlob(own);
    const callers = [new AbortController(), new AbortController()];
    const pulls = callers.map(({ signal }) => failureOf(world.pull('app:1', { signal })));
    await asked;
    for (const caller of callers) caller.abort();
    expect((await Promise.all(pulls)).map(({ kind }) => kind)).to.deep.equal(['canceled', 'canceled']);
    expect(await world.store()).to.deep.equal(before);
    expect(world.pulls.map(({ ok }) => ok)).to.deep.equal([false]);
  });

  it('goes on with a layer that another image shares when the pull that began it is canceled', async () => {
    world.registry.put('one:1', imageOf({ layers: [shared] }));
    world.registry.put('two:1', imageOf({ layers: [shared, own] }));
    const { asked, release } = holdBlob(shared);
    const leaver = new AbortController();
    const one = failureOf(world.pull('one:1', { signal: leaver.signal }));
    await asked;
    const ownLayer = holdBlob(own);
    const two = world.pull('two:1');
    await ownLayer.asked;
    ownLayer.release();
    leaver.abort();
    expect((await one).kind).to.equal('canceled');
    release();
    await two;
    expect(world.registry.count(digestOf(shared))).to.equal(1);
  });

  it('fetches a shared layer by itself when the pull that began it was refused', async () => {
    world.registry.put('one:1', imageOf({ layers: [shared] }));
    world.registry.put('two:1', imageOf({ layers: [shared] }));
    let refuse: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      world.registry.on(`/one/blobs/${digestOf(shared)}`, (_request, response) => {
        refuse = () => response.writeHead(403).end();
        resolve();
      });
    });
    const one = failureOf(world.pull('one:1'));
    await asked;
    const { asked: configAsked, release } = holdBlob(imageOf({ layers: [shared] }).config);
    const two = world.pull('two:1');
    await configAsked;
    release();
    // Two joins the flight of one as soon as it has the config.
    while (world.registry.count('/two/blobs/') < 1) await new Promise(setImmediate);
    refuse();
    expect((await one).kind).to.equal('denied');
    await two;
    expect(world.registry.count(`/two/blobs/${digestOf(shared)}`)).to.equal(1);
  });

  it('stops the other layers when one is bad, without waiting for them', async () => {
    const image = imageOf({ layers: [own, shared, third] });
    world.registry.put('app:1', image);
    const before = await world.store();
    const slow = holdBlob(own);
    const bad = holdBlob(shared);
    world.registry.on(digestOf(shared), (_request, response) => {
      void slow.asked.then(() => response.writeHead(200).end(Buffer.alloc(shared.length)));
    });
    void bad.asked;
    const error = await failureOf(world.pull('app:1'));
    expect(error).to.include({ kind: 'corrupt', field: 'layer' });
    expect(await world.store()).to.deep.equal(before);
  });

  it('keeps a layer that a pull counts on while the last image that had it is removed', async () => {
    world.registry.put('one:1', imageOf({ layers: [shared] }));
    world.registry.put('two:1', imageOf({ layers: [shared, own] }));
    await world.pull('one:1');
    const { asked, release } = holdBlob(own);
    const two = world.pull('two:1');
    await asked;
    await world.removeImage(world.name('one:1'));
    release();
    await two;
    expect(world.registry.count(digestOf(shared))).to.equal(1);
    const image = world.images.lookup(world.name('two:1'));
    if (image === undefined) throw new Error('the pulled image is not there');
    await world.images.snapshots.prepare('s1', image.id);
  });

  it('joins spellings of one reference, but no caller with another login', async () => {
    world.registry.put('app:latest', imageOf({ layers: [own] }));
    const { asked, release } = holdBlob(own);
    const pulls = [world.pull('app:latest'), world.pull('app')];
    await asked;
    pulls.push(world.pull('app', { auth: newAuthConfig({ registry_token: 'other' }) }));
    while (world.registry.count('/app/manifests/latest') < 2) await new Promise(setImmediate);
    release();
    await Promise.all(pulls);
    expect(world.registry.count('/app/manifests/latest')).to.equal(2);
  });
});
