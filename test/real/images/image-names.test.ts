import fs from 'node:fs';
import { expect } from 'chai';
import type { Log } from '../../../src/base/call-context.js';
import { backgroundContext, silentLog } from '../../../src/base/call-context.js';
import { embeddedPauseReference } from '../../../src/images/pause-image.js';
import {
  newImageSpec,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newPullImageRequest,
} from '../../../src/ports/cri/messages.js';
import { ImageWorld, failureOf } from './image-world.js';
import { digestOf, imageOf, tarOf } from './registry-double.js';

const base = tarOf([{ name: 'etc/' }, { name: 'etc/base', text: 'base' }]);
const top = tarOf([{ name: 'etc/' }, { name: 'etc/top', text: 'top' }]);
const app = imageOf({ layers: [base, top], config: { User: '1000:1000' }, gzip: true });
const other = imageOf({ layers: [base], config: { User: 'nginx' } });

describe('images: names, pins and snapshots (real file system)', () => {
  let world: ImageWorld;
  beforeEach(async () => {
    world = new ImageWorld();
    await world.start();
    for (const name of ['app:1', 'b:1', 'c:1']) world.registry.put(name, app);
    world.registry.put('other:1', other);
  });
  afterEach(() => world.remove());

  it('keeps every name of one image that is pulled under several at once, and fetches each blob once', async () => {
    const ids = await Promise.all(['app:1', 'b:1', 'c:1'].map((name) => world.pull(name)));
    expect(new Set(ids)).to.deep.equal(new Set([digestOf(app.config)]));
    const image = await world.status(world.name('b:1'));
    expect(image?.repo_tags).to.have.members(['app:1', 'b:1', 'c:1'].map((name) => world.name(name)));
    expect(image?.repo_digests).to.have.members(
      ['app', 'b', 'c'].map((name) => `${world.name(name)}@${digestOf(app.manifest)}`),
    );
    for (const layer of app.layers) expect(world.registry.count(digestOf(layer))).to.equal(1);
  });

  it('finds an image by tag, digest, id, id prefix, and removes it by any of them', async () => {
    const id = digestOf(app.config);
    const forms = [
      ...[world.name('app:1'), `${world.name('app')}@${digestOf(app.manifest)}`],
      ...[
        `${world.name('app:1')}@${digestOf(app.manifest)}`,
        id,
        id.slice(7),
        id.slice(7, 19),
        id.slice(0, 19),
      ],
    ];
    for (const form of forms) {
      await world.pull('app:1');
      expect((await world.status(form))?.id, form).to.equal(id);
      await world.removeImage(form);
      expect(await world.status(id), form).to.equal(null);
    }
    await world.removeImage(id);
    expect(await world.status(world.name('never:1')), 'absent is an empty answer').to.equal(null);
    expect((await world.store()).folders.filter((name) => name.includes('.tmp'))).to.deep.equal([]);
  });

  it('is pulled by digest, with a name but no tag', async () => {
    await world.pull(`app@${digestOf(app.manifest)}`);
    const image = await world.status(digestOf(app.config));
    expect(image?.repo_tags).to.deep.equal([]);
    expect(image?.repo_digests).to.deep.equal([`${world.name('app')}@${digestOf(app.manifest)}`]);
  });

  it('tells the user, and the size on the disk', async () => {
    await world.pull('app:1');
    await world.pull('other:1');
    expect(await world.status(world.name('app:1'))).to.deep.include({ uid: { value: '1000' }, username: '' });
    expect(await world.status(world.name('other:1'))).to.deep.include({ uid: null, username: 'nginx' });
    // Two layers with a folder, a small file and a recipe each; that of `other` is one of them.
    expect((await world.status(world.name('app:1')))?.size).to.equal(String(2 * 4 * 4096));
    expect((await world.status(world.name('other:1')))?.size).to.equal(String(4 * 4096));
    const pause = Number((await world.status(embeddedPauseReference))?.size);
    expect(await world.usage()).to.deep.equal({ bytes: 2 * 4 * 4096 + pause, inodes: 2 * 4 + 5 });
  });

  it('has a size even when it is empty, since a kubelet takes 0 for an error', async () => {
    world.registry.put('empty:1', imageOf({ layers: [tarOf([])] }));
    await world.pull('empty:1');
    expect(Number((await world.status(world.name('empty:1')))?.size)).to.equal(2 * 4096);
  });

  it('is told of in the log, with the pod that it was pulled for', async () => {
    const told: object[] = [];
    const log: Log = { ...silentLog, info: (fields, message) => void told.push({ ...fields, message }) };
    const metadata = newPodSandboxMetadata({ name: 'web', namespace: 'shop' });
    const request = newPullImageRequest({
      image: newImageSpec({ image: world.name('app:1') }),
      sandbox_config: newPodSandboxConfig({ metadata }),
    });
    const { image_ref: id } = await world.images.verbs.PullImage(request, backgroundContext(log));
    const entry = { image: world.name('app:1'), id, pod: 'shop/web', message: 'image pulled' };
    expect(told).to.deep.equal([entry]);
  });

  it('moves a tag that is pushed again, and the old image stays under its digest', async () => {
    await world.pull('app:1');
    world.registry.put('app:1', other);
    await world.pull('app:1');
    expect((await world.status(world.name('app:1')))?.id).to.equal(digestOf(other.config));
    expect((await world.status(digestOf(app.config)))?.repo_tags).to.deep.equal([]);
  });

  it('keeps the configured pause image pinned, whatever else it is called', async () => {
    await world.restart({ pauseImage: world.name('b:1') });
    expect(await world.list(), 'no embedded one beside it').to.deep.equal([]);
    await world.images.pauseImage(backgroundContext());
    await world.pull('app:1');
    const error = await failureOf(world.removeImage(world.name('app:1')));
    expect(error).to.include({ kind: 'denied', field: 'image.image' });
    await world.restart();
    expect((await world.status(world.name('b:1')))?.pinned, 'no longer the pause image').to.equal(false);
    await world.removeImage(world.name('b:1'));
  });

  it('keeps and pins only the newest embedded pause image', async () => {
    const pause = await world.images.pauseImage(backgroundContext());
    const images = world.host.store.table<{ id: string; layers: string[] }>('images');
    const layers = world.host.store.table<{ folder: string }>('layers');
    // As an older binary of the pause program would have left it.
    const record = images.get(pause.id);
    const layer = layers.get(record?.layers[0] ?? '');
    if (record === undefined || layer === undefined) throw new Error('the pause image has no records');
    const old = { id: `sha256:${'0'.repeat(64)}`, layers: [`sha256:${'1'.repeat(64)}`] };
    fs.cpSync(`${world.dir}/layers/${layer.folder}`, `${world.dir}/layers/old`, { recursive: true });
    await layers.put(old.layers[0] ?? '', { ...layer, folder: 'old' });
    await images.put(old.id, { ...record, ...old });
    await images.remove(record.id);
    await layers.remove(record.layers[0] ?? '');
    await world.restart();
    const all = await world.list();
    expect(all.map(({ id, pinned }) => ({ id, pinned }))).to.deep.equal([{ id: pause.id, pinned: true }]);
    expect(fs.readdirSync(`${world.dir}/layers`)).to.have.members([layer.folder, `${layer.folder}.recipe`]);
  });

  it('mounts an image of a hundred layers', async () => {
    const layers = Array.from({ length: 100 }, (_, index) => tarOf([{ name: `file-${index}`, text: 'x' }]));
    world.registry.put('deep:1', imageOf({ layers }));
    await world.pull('deep:1');
    const image = world.images.lookup(world.name('deep:1'));
    if (image === undefined) throw new Error('the pulled image is not there');
    const { rootfs } = await world.images.snapshots.prepare('s1', image.id);
    expect(fs.readdirSync(rootfs)).to.have.lengthOf(100);
  });

  it('keeps the layers of a container whose image is removed, and mounts them again after a reboot', async () => {
    await world.pull('app:1');
    const image = world.images.lookup(world.name('app:1'));
    if (image === undefined) throw new Error('the pulled image is not there');
    const { rootfs } = await world.images.snapshots.prepare('s1', image.id);
    fs.writeFileSync(`${rootfs}/written`, 'x');
    await world.removeImage(world.name('app:1'));
    await world.host.mounts.unmount(rootfs);
    await world.restart();
    await world.images.snapshots.prepare('s1', image.id);
    expect(fs.readFileSync(`${rootfs}/written`, 'utf8')).to.equal('x');
    expect(fs.readFileSync(`${rootfs}/etc/top`, 'utf8')).to.equal('top');
  });

  it('lets the layers of a removed image go with the last container that has them', async () => {
    const before = await world.usage();
    const { folders } = await world.store();
    await world.pull('app:1');
    await world.pull('other:1');
    const image = world.images.lookup(world.name('app:1'));
    if (image === undefined) throw new Error('the pulled image is not there');
    for (const id of ['s1', 's2']) await world.images.snapshots.prepare(id, image.id);
    const used = await world.usage();
    await world.removeImage(image.id);
    await world.images.snapshots.remove('s1');
    expect(await world.usage(), 'another container has them').to.deep.equal(used);
    await world.images.snapshots.remove('s2');
    expect((await world.usage()).bytes - before.bytes, 'one is of another image, too').to.equal(4 * 4096);
    await world.removeImage(world.name('other:1'));
    expect(await world.usage()).to.deep.equal(before);
    expect((await world.store()).folders).to.include.members(folders);
    expect(fs.readdirSync(`${world.dir}/layers`), 'a folder and its recipe').to.have.lengthOf(2);
  });
});
