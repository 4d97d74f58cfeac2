import { expect } from 'chai';
import { backgroundContext } from '../../../src/base/call-context.js';
import { createCriClient } from '../../../src/cri/client.js';
import { createClock } from '../../../src/host/clock.js';
import {
  newAuthConfig,
  newImageFilter,
  newImageFsInfoRequest,
  newImageSpec,
  newImageStatusRequest,
  newListImagesRequest,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newPullImageRequest,
  newRemoveImageRequest,
} from '../../../src/ports/cri/messages.js';
import type { AuthConfig, Image, ImageSpec } from '../../../src/ports/cri/messages.js';
import { RegistryDouble, digestOf, imageOf, tarOf } from '../images/registry-double.js';
import { failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { testRegistry } from '../test-registry.js';
import type { TestRegistry } from '../test-registry.js';

describe('cri: the image service of a whole node, with a real registry', () => {
  let node: RealNode;
  let registry: TestRegistry;
  before(async () => {
    registry = await testRegistry();
    node = await startRealNode();
  });
  after(() => node.dispose());
  afterEach(async () => {
    for (const { id, pinned } of await list()) if (!pinned) await remove(id);
  });

  const spec = (image: string, set: Partial<ImageSpec> = {}) => newImageSpec({ image, ...set });
  const pull = async (image: string, auth: AuthConfig | null = null): Promise<string> =>
    (await node.cri.images.PullImage(newPullImageRequest({ image: spec(image), auth }), node.ctx)).image_ref;
  const status = async (image: string): Promise<Image | null> =>
    (await node.cri.images.ImageStatus(newImageStatusRequest({ image: spec(image) }), backgroundContext()))
      .image;
  const list = async (image?: ImageSpec): Promise<Image[]> => {
    const filter = image === undefined ? null : newImageFilter({ image });
    return (await node.cri.images.ListImages(newListImagesRequest({ filter }), node.ctx)).images;
  };
  const remove = (image: string) =>
    node.cri.images.RemoveImage(newRemoveImageRequest({ image: spec(image) }), backgroundContext());

  it('answers the same for an image by tag, digest, both and id, in status and list, and removes it by each', async () => {
    const reference = await registry.push();
    const id = await pull(reference);
    const image = await status(reference);
    if (image === null) throw new Error('the pulled image is not there');
    expect([image.id, image.repo_tags, image.spec?.image]).to.deep.equal([id, [reference], id]);
    const [digest = ''] = image.repo_digests;
    expect(digest).to.match(/^127\.0\.0\.1:\d+\/busybox@sha256:[0-9a-f]{64}$/);
    const tagAndDigest = `${reference}@${digest.split('@')[1]}`;
    for (const form of [reference, digest, tagAndDigest, id, id.slice(7), id.slice(7, 19)]) {
      expect(await pull(reference)).to.equal(id);
      expect(await status(form), form).to.deep.equal(image);
      expect(await list(spec(form)), form).to.deep.equal([image]);
      await remove(form);
      expect(await status(id), form).to.equal(null);
      expect(await list(spec(form)), form).to.deep.equal([]);
    }
    await remove(reference);
    // By digest alone it has no tag.
    expect(await pull(digest)).to.equal(id);
    expect(await status(id)).to.deep.include({ repo_tags: [], repo_digests: [digest] });
  });

  it('takes a name without a tag for its tag latest', async () => {
    const reference = await registry.push();
    const [latest = ''] = await registry.tag(reference, ['latest']);
    await pull(latest.replace(/:latest$/, ''));
    expect((await status(latest.replace(/:latest$/, '')))?.repo_tags).to.deep.equal([latest]);
  });

  it('has one image with three tags for three tags of one, and removes all by one', async () => {
    const tags = await registry.tag(await registry.push(), ['one', 'two', 'three']);
    const ids = await Promise.all(tags.map((tag) => pull(tag)));
    expect(new Set(ids).size).to.equal(1);
    const images = (await list()).filter(({ pinned }) => !pinned);
    expect(images.map(({ repo_tags }) => repo_tags.sort())).to.deep.equal([tags.sort()]);
    await remove(tags[1] ?? '');
    for (const tag of [...tags, ids[0] ?? '']) expect(await status(tag), tag).to.equal(null);
  });

  it('tells at once of what was pulled and removed, also by several at the same time', async () => {
    const references = await Promise.all(
      ['a', 'b', 'c'].map((word) => registry.push({ env: [`IMAGE=${word}`] })),
    );
    await Promise.all(
      references.map(async (reference) => {
        for (let round = 0; round < 3; round += 1) {
          const id = await pull(reference);
          expect((await list()).map((image) => image.id)).to.include(id);
          expect((await status(reference))?.id).to.equal(id);
          const removals = Array.from({ length: 5 }, async () => {
            await remove(id);
            return status(id);
          });
          expect(await Promise.all(removals)).to.deep.equal([null, null, null, null, null]);
          expect((await list()).map((image) => image.id)).not.to.include(id);
        }
      }),
    );
  });

  it('has a uid or a user name for each image', async () => {
    for (const [user, uid, username] of [
      ['1002', '1002', ''],
      ['1003:1005', '1003', ''],
      ['www-data', undefined, 'www-data'],
      ['www-data:100', undefined, 'www-data'],
    ] as const) {
      const reference = await registry.push({ user });
      await pull(reference);
      const image = await status(reference);
      expect([image?.uid?.value, image?.username], user).to.deep.equal([uid, username]);
    }
  });

  it('counts what images take: more with each, and as before when they are gone', async () => {
    const usage = async () => {
      const answer = await node.cri.images.ImageFsInfo(newImageFsInfoRequest(), node.ctx);
      const [[images], [containers]] = [answer.image_filesystems, answer.container_filesystems];
      expect(containers, 'one file system: a kubelet takes a difference for two').to.deep.equal(images);
      expect(images?.fs_id?.mountpoint).to.equal(node.config.rootDir);
      expect(Number(BigInt(images?.timestamp ?? 0) / 1_000_000n)).to.be.closeTo(Date.now(), 60_000);
      return [images?.used_bytes?.value, images?.inodes_used?.value].map(Number);
    };
    const before = await usage();
    const reference = await registry.push();
    await pull(reference);
    const [bytes = 0, inodes = 0] = await usage();
    const size = Number((await status(reference))?.size);
    expect([bytes - (before[0] ?? 0), inodes > (before[1] ?? 0)]).to.deep.equal([size, true]);
    expect(size).to.be.greaterThan(500_000);
    await remove(reference);
    expect(await usage()).to.deep.equal(before);
  });

  it('lets in who has the login of a registry, by each form of it', async () => {
    const guarded = await registry.guarded();
    const reference = (await registry.push()).replace(registry.address, guarded);
    const auth = Buffer.from('user:secret').toString('base64');
    for (const right of [
      { username: 'user', password: 'secret' },
      { auth },
      { username: 'user', password: 'secret', auth, server_address: guarded },
    ]) {
      expect(await pull(reference, newAuthConfig(right))).to.match(/^sha256:/);
      await remove(reference);
    }
    for (const [wrong, kind, field] of [
      [{}, 'denied', 'auth'],
      [{ username: 'user', password: 'wrong' }, 'denied', 'auth'],
      [{ registry_token: 'x' }, 'denied', 'auth'],
      [{ auth, server_address: 'other.io' }, 'denied', 'auth.server_address'],
      [{ username: 'user', password: 'other', auth }, 'invalid', 'auth.auth'],
    ] as const) {
      const error = await failure(pull(reference, newAuthConfig(wrong)));
      expect(error, JSON.stringify(wrong)).to.include({ kind });
      expect(error.message).to.match(new RegExp(`^${field}: `));
    }
    expect(await status(reference)).to.equal(null);
  });

  it('refuses by code and field what can not be pulled, and answers questions about it with nothing', async () => {
    const reference = await registry.push();
    const ask = (image: ImageSpec | null) =>
      failure(node.cri.images.PullImage(newPullImageRequest({ image }), node.ctx));
    for (const [image, kind, begin] of [
      [null, 'invalid', 'image.image: '],
      [spec(''), 'invalid', 'image.image: '],
      [spec('a b'), 'invalid', 'image.image: '],
      [spec(`sha256:${'a'.repeat(64)}`), 'invalid', 'image.image: '],
      [spec(`${reference}-never`), 'not-found', 'image.image: '],
      [spec('127.0.0.1:1/down:1'), 'unavailable', 'RegistryUnavailable: '],
      [spec(reference, { runtime_handler: 'gvisor' }), 'invalid', 'image.runtime_handler: '],
      [spec(reference, { image_ref: 'sha256:x' }), 'invalid', 'image.image_ref: '],
    ] as const) {
      const error = await ask(image);
      expect(error, begin).to.include({ kind });
      expect(error.message.startsWith(begin), error.message).to.equal(true);
    }
    expect(await status(`${reference}-never`)).to.equal(null);
    await remove(`${reference}-never`);
    for (const asking of [status('a b'), remove('a b'), list(spec('a b'))]) {
      expect(await failure(asking)).to.include({ kind: 'invalid' });
    }
    // Whatever pods it is for, and whatever they are annotated with.
    const request = newPullImageRequest({
      image: spec(reference, { runtime_handler: 'runc', annotations: { a: 'b' }, user_specified_image: 'x' }),
      sandbox_config: newPodSandboxConfig({ metadata: newPodSandboxMetadata({ name: 'p', namespace: 'n' }) }),
    });
    const { image_ref: id } = await node.cri.images.PullImage(request, node.ctx);
    for (const [image_ref, there] of [
      [id, true],
      [(await status(id))?.repo_digests[0] ?? '', true],
      [`sha256:${'0'.repeat(64)}`, false],
    ] as const) {
      expect((await list(spec(reference, { image_ref }))).length, image_ref).to.equal(there ? 1 : 0);
    }
    expect(await list(spec('', { image_ref: id })), 'a filter may be of nothing but an id').to.have.lengthOf(
      1,
    );
  });

  it('shows the config of an image to who asks for all of it', async () => {
    const reference = await registry.push({ env: ['SHOWN=yes'] });
    await pull(reference);
    const request = newImageStatusRequest({ image: spec(reference), verbose: true });
    const { info } = await node.cri.images.ImageStatus(request, node.ctx);
    const shown = JSON.parse(info['info'] ?? '{}') as {
      imageSpec: { os: string; config: { Env: string[] }; rootfs: { diff_ids: string[] } };
    };
    expect(shown.imageSpec.os).to.equal('linux');
    expect(shown.imageSpec.config.Env).to.include('SHOWN=yes');
    expect(shown.imageSpec.rootfs.diff_ids).to.have.lengthOf(1);
  });

  describe('whose registry is slow', () => {
    const slow = new RegistryDouble();
    const layer = tarOf([{ name: 'slow', text: 'slow' }]);
    let held: (() => void)[] = [];
    before(() => slow.start());
    after(() => slow.stop());
    beforeEach(() => {
      held = [];
      slow.put('app:1', imageOf({ layers: [layer] }));
      slow.on(digestOf(layer), (request, response) => {
        held.push(() => slow.serve(request.url ?? '', response));
      });
    });

    /** A client of the same socket whose calls have this deadline. */
    const hurried = (timeoutMs: number) =>
      createCriClient({ socketPath: node.config.criSocket, clock: createClock(), timeoutMs });
    const request = () => newPullImageRequest({ image: spec(`${slow.host}/app:1`) });
    const used = async () =>
      (await node.cri.images.ImageFsInfo(newImageFsInfoRequest(), node.ctx)).image_filesystems[0]?.used_bytes;

    it('keeps the deadline of a pull, and leaves nothing of it', async () => {
      const before = await used();
      for (const timeoutMs of [1, 400]) {
        const client = hurried(timeoutMs);
        const began = performance.now();
        expect(await failure(client.images.PullImage(request(), node.ctx))).to.include({ kind: 'deadline' });
        expect(performance.now() - began).to.be.lessThan(timeoutMs + 1000);
        client.close();
      }
      // The registry sees the connection close: nobody fetches on.
      await waitFor('the transfer to end', () => slow.pending === 0);
      expect(await status(`${slow.host}/app:1`)).to.equal(null);
      expect(await used()).to.deep.equal(before);
    });

    it('goes on for who has time when another who asked for it first has not', async () => {
      const client = hurried(1500);
      const first = failure(client.images.PullImage(request(), node.ctx));
      await waitFor('the layer to be asked for', () => held.length > 0);
      const leaver = new AbortController();
      const second = failure(node.cri.images.PullImage(request(), { ...node.ctx, signal: leaver.signal }));
      const third = node.cri.images.PullImage(request(), node.ctx);
      expect(await first).to.include({ kind: 'deadline' });
      leaver.abort();
      expect(await second).to.include({ kind: 'canceled' });
      held.forEach((answer) => answer());
      expect((await third).image_ref).to.match(/^sha256:/);
      expect(held, 'fetched once for all').to.have.lengthOf(1);
      client.close();
    });
  });
});
