import fs from 'node:fs';
import { expect } from 'chai';
import { ImageWorld, failureOf } from './image-world.js';
import type { TestImage, TestManifest } from './registry-double.js';
import { digestOf, imageOf, tarOf } from './registry-double.js';

const oci = 'application/vnd.oci.image';
const indexOf = (entries: { bytes: Buffer; mediaType: string; platform?: object }[]): Buffer =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${oci}.index.v1+json`,
      manifests: entries.map(({ bytes, ...more }) => ({
        ...more,
        digest: digestOf(bytes),
        size: bytes.length,
      })),
    }),
  );

describe('images: forms that images come in (real file system)', () => {
  let world: ImageWorld;
  let image: TestImage;
  before(async () => {
    world = new ImageWorld();
    await world.start({ images: { foreignLayers: true } });
    image = imageOf({ layers: [tarOf([{ name: 'a', text: 'a' }])] });
  });
  after(() => world.remove());

  const manifestType = `${oci}.manifest.v1+json`;
  const indexType = `${oci}.index.v1+json`;

  it('may be an index, an index in an index, but no deeper', async () => {
    world.registry.put('deep:image', image);
    let inner = indexOf([{ bytes: image.manifest, mediaType: manifestType }]);
    world.registry.putManifest('deep:one', inner);
    const id = await world.pull('deep:one');
    inner = indexOf([
      { bytes: Buffer.from('{}'), mediaType: manifestType, platform: { os: 'linux', architecture: 'z80' } },
      { bytes: inner, mediaType: indexType },
    ]);
    world.registry.putManifest('deep:two', inner);
    expect(await world.pull('deep:two')).to.equal(id);
    world.registry.putManifest('deep:three', indexOf([{ bytes: inner, mediaType: indexType }]));
    expect(await failureOf(world.pull('deep:three'))).to.include({
      kind: 'unsupported',
      field: 'manifest.manifests',
    });
  });

  it('keeps what it was pulled as, byte for byte, as long as the image is there', async () => {
    const index = indexOf([{ bytes: image.manifest, mediaType: manifestType }]);
    world.registry.put('kept:image', image);
    world.registry.putManifest('kept:1', index);
    const id = await world.pull('kept:1');
    for (const bytes of [index, image.manifest, image.config]) {
      const file = `${world.dir}/blobs/${digestOf(bytes).replace(':', '/')}`;
      expect(fs.readFileSync(file).equals(bytes)).to.equal(true);
    }
    await world.removeImage(id);
    expect((await world.store()).documents).to.deep.equal([]);
  });

  it('is refused when an index and what it names disagree', async () => {
    world.registry.put('lies:image', image);
    const docker = 'application/vnd.docker.distribution.manifest.v2+json';
    world.registry.putManifest('lies:type', indexOf([{ bytes: image.manifest, mediaType: docker }]));
    expect(await failureOf(world.pull('lies:type'))).to.include({
      kind: 'corrupt',
      field: 'manifest.mediaType',
    });
    const index = indexOf([{ bytes: image.manifest, mediaType: manifestType }]).toString();
    const size = index.replace(`"size":${image.manifest.length}`, `"size":${image.manifest.length + 1}`);
    world.registry.putManifest('lies:size', Buffer.from(size));
    expect(await failureOf(world.pull('lies:size'))).to.include({ kind: 'corrupt', field: 'manifest' });
  });

  it('is refused when the registry says of it that it has another type or another digest', async () => {
    world.registry.put('header:1', image);
    const answers: [name: string, headers: Record<string, string>, field: string][] = [
      ['type', { 'content-type': indexType }, 'manifest.mediaType'],
      ['digest', { 'docker-content-digest': digestOf('other') }, 'manifest'],
    ];
    for (const [name, headers, field] of answers) {
      world.registry.on('/header/manifests/', (_request, response) => {
        response.writeHead(200, headers).end(image.manifest);
      });
      expect(await failureOf(world.pull('header:1')), name).to.include({ kind: 'corrupt', field });
    }
  });

  describe('with a layer that registries do not keep', () => {
    let foreign: TestImage;
    let address: string;
    beforeEach(() => {
      const layer = tarOf([{ name: 'foreign', text: `${Math.random()}` }]);
      address = `http://${world.registry.host}/elsewhere/${digestOf(layer)}`;
      foreign = imageOf({
        layers: [layer],
        manifest: (whole: TestManifest) => ({
          ...whole,
          layers: whole.layers.map((each) => ({
            ...each,
            mediaType: `${oci}.layer.nondistributable.v1.tar`,
            urls: [address],
          })),
        }),
      });
      world.registry.put('foreign:1', { ...foreign, layers: [] });
      world.registry.on('/elsewhere/', (_request, response) => {
        response.writeHead(200).end(foreign.layers[0]);
      });
    });

    it('is fetched from where its manifest says, once the registry has none', async () => {
      await world.pull('foreign:1');
      expect(world.registry.count('/elsewhere/')).to.equal(1);
    });

    it('is fetched from the registry, where that has it', async () => {
      world.registry.put('foreign:1', foreign);
      const before = world.registry.count('/elsewhere/');
      await world.pull('foreign:1');
      expect(world.registry.count('/elsewhere/')).to.equal(before);
    });

    it('is refused where that is not allowed, which is the default', async () => {
      await world.restart();
      try {
        const before = world.registry.count('/elsewhere/');
        const error = await failureOf(world.pull('foreign:1'));
        expect(error).to.include({ kind: 'unsupported', field: 'manifest.layers.urls' });
        expect(error.describe()).to.include('images.foreignLayers').and.include(address);
        expect(world.registry.count('/elsewhere/')).to.equal(before);
      } finally {
        await world.restart({ images: { foreignLayers: true } });
      }
    });

    it('is refused when something else is there', async () => {
      world.registry.on('/elsewhere/', (_request, response) => {
        response.writeHead(200).end(Buffer.alloc(foreign.layers[0]?.length ?? 0));
      });
      expect(await failureOf(world.pull('foreign:1'))).to.include({ kind: 'corrupt', field: 'layer' });
    });
  });

  it('is told of while it is pulled, layer by layer', async () => {
    const [done, slow] = [tarOf([{ name: 'x', text: 'x' }]), tarOf([{ name: 'y', text: 'y' }])];
    world.registry.put('told:1', imageOf({ layers: [done] }));
    world.registry.put('told:2', imageOf({ layers: [done, slow] }));
    await world.pull('told:1');
    let go: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      world.registry.on(digestOf(slow), (_request, response) => {
        response.writeHead(200, { 'content-length': slow.length });
        response.write(slow.subarray(0, 100), () => resolve());
        go = () => response.end(slow.subarray(100));
      });
    });
    const phases: string[] = [];
    const unsubscribe = world.images.pulls.subscribe(({ phase }) => void phases.push(phase));
    const pull = world.pull('told:2');
    await asked;
    const layersNow = () => world.images.pulls.list().flatMap(({ layers }) => layers);
    while (layersNow()[1]?.receivedBytes !== 100) await new Promise(setImmediate);
    expect(layersNow().map(({ state, totalBytes }) => [state, totalBytes])).to.deep.equal([
      ['exists', done.length],
      ['downloading', slow.length],
    ]);
    go();
    await pull;
    unsubscribe();
    expect(world.images.pulls.list()).to.deep.equal([]);
    expect([phases[0], phases.at(-1)]).to.deep.equal(['resolving', 'done']);
  });
});
