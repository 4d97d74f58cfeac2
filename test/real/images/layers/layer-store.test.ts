import fs from 'node:fs';
import { expect } from 'chai';
import { NodeletError } from '../../../../src/base/errors.js';
import { createRealHost } from '../../../../src/host/real-host.js';
import { chainIds } from '../../../../src/images/layers/chain-ids.js';
import { moveToDiffIds } from '../../../../src/images/layers/layer-migration.js';
import type { LayerRecord, WantedLayer } from '../../../../src/images/layers/layer-store.js';
import { LayerStore } from '../../../../src/images/layers/layer-store.js';
import type { Host } from '../../../../src/ports/host.js';
import { defaultLayerLimits } from '../../../../src/spec/config/layer-limits-config.js';
import { archiveOf, dir, file } from '../../../images/layers/archive-builder.js';
import { failureOf } from '../image-world.js';
import { digestOf } from '../registry-double.js';
import { LayerBench } from './layer-bench.js';

const signal = new AbortController().signal;
const tar = archiveOf([dir('d'), file('d/f', 'content'), file('d/f', 'the last content')]);
const plain = 'application/vnd.oci.image.layer.v1.tar';
const wanted = (bytes: Buffer): WantedLayer => ({
  diffId: digestOf(bytes),
  descriptor: { mediaType: plain, digest: digestOf(bytes), sizeBytes: bytes.length },
});
const opened = (bytes: Buffer) =>
  async function* (): AsyncGenerator<Buffer> {
    yield bytes;
  };

describe('images: the store of layers (real file system)', () => {
  let bench: LayerBench;
  let host: Host;
  let store: LayerStore;
  beforeEach(async () => {
    bench = new LayerBench();
    host = createRealHost({ storePath: `${bench.dir}/records`, bootPath: `${bench.dir}/boot` });
    store = await newStore();
  });
  afterEach(async () => {
    await host.store.close();
    bench.remove();
  });

  const layersDir = (): string => `${bench.dir}/layers`;
  const records = () => host.store.table<LayerRecord>('layers');
  async function newStore(): Promise<LayerStore> {
    const made = new LayerStore({ dir: layersDir(), records: records(), limits: defaultLayerLimits, host });
    await made.start();
    return made;
  }
  const names = (): string[] => fs.readdirSync(layersDir()).sort();

  it('gives the exact archive of a layer, also when some of it was replaced within', async () => {
    await store.ensure(wanted(tar), signal, opened(tar));
    const chunks: Buffer[] = [];
    for await (const chunk of store.layerTar(digestOf(tar), signal)) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(tar)).to.equal(true);
    expect(await (await newStore()).verify(digestOf(tar), signal)).to.deep.equal({ state: 'whole' });
    const [folder = ''] = names();
    expect(names()).to.deep.equal([folder, `${folder}.displaced`, `${folder}.recipe`]);
    await store.removeUnused(() => false);
    expect(names()).to.deep.equal([]);
  });

  it('tells damaged layers from missing ones, and from those of older versions', async () => {
    await store.ensure(wanted(tar), signal, opened(tar));
    fs.writeFileSync(`${store.folder(digestOf(tar))}/d/f`, 'another content!');
    expect(await store.verify(digestOf(tar), signal)).to.include({ state: 'damaged' });
    fs.rmSync(`${store.folder(digestOf(tar))}/d/f`);
    const verdict = await store.verify(digestOf(tar), signal);
    expect(verdict).to.include({ state: 'damaged' });
    expect(JSON.stringify(verdict)).to.include('d/f');
    expect(await store.verify(digestOf('never'), signal), 'never there').to.deep.equal({ state: 'missing' });

    fs.mkdirSync(`${layersDir()}/old`);
    await records().put('sha256:old', { version: 1, folder: 'old', diskBytes: 1, inodes: 1 });
    const later = await newStore();
    expect(await later.verify('sha256:old', signal)).to.include({ state: 'unknown' });
    expect(() => later.layerTar('sha256:old', signal))
      .to.throw(NodeletError)
      .that.includes({ kind: 'unsupported' });
  });

  it('puts a whole layer into the place of a damaged one, which lives on for who uses it', async () => {
    const layer = wanted(tar);
    await store.ensure(layer, signal, opened(tar));
    const before = store.folder(layer.diffId);
    fs.writeFileSync(`${before}/d/f`, 'damaged');
    let retiredKey = '';
    await store.replace(layer, { signal, open: opened(tar), retire: async (key) => void (retiredKey = key) });
    const after = store.folder(layer.diffId);
    expect(after).to.not.equal(before);
    expect(fs.readFileSync(`${after}/d/f`, 'utf8')).to.equal('the last content');
    expect(fs.readFileSync(`${before}/d/f`, 'utf8'), 'a container may run on it').to.equal('damaged');
    expect(await store.verify(layer.diffId, signal)).to.deep.equal({ state: 'whole' });
    store = await newStore();
    expect(store.folder(retiredKey)).to.equal(before);
    await store.removeUnused((key) => key === layer.diffId);
    expect([fs.existsSync(before), fs.existsSync(after)]).to.deep.equal([false, true]);
  });

  it('keeps the old layer when the new one can not be had', async () => {
    const layer = wanted(tar);
    await store.ensure(layer, signal, opened(tar));
    const before = [names(), records().entries()];
    const failing = store.replace(layer, {
      signal,
      open: opened(archiveOf([file('other')])),
      retire: async () => expect.fail('nothing is to be retired'),
    });
    expect(await failureOf(failing)).to.include({ kind: 'corrupt' });
    expect([names(), records().entries()]).to.deep.equal(before);
  });

  it('keeps nothing of a layer for which the disk has no room', async () => {
    const large = { ...wanted(tar).descriptor, sizeBytes: 2 ** 60 };
    const error = await failureOf(store.ensure({ ...wanted(tar), descriptor: large }, signal, opened(tar)));
    expect(error).to.include({ kind: 'exhausted' });
    expect(names()).to.deep.equal([]);
  });

  it('keeps nothing of a layer that fills the disk', async () => {
    await host.files.makeDir(layersDir());
    await host.mounts.tmpfs(layersDir(), { sizeBytes: 1_000_000, mode: 0o700 });
    try {
      for (const large of [
        archiveOf([file('large', Buffer.alloc(3_000_000, 'x'))]),
        archiveOf(Array.from({ length: 400 }, (_, index) => file(String(index), 'x'.repeat(4096)))),
      ]) {
        const layer = { ...wanted(large), descriptor: { ...wanted(large).descriptor, sizeBytes: 1000 } };
        const error = await failureOf(store.ensure(layer, signal, opened(large)));
        expect(error).to.include({ kind: 'exhausted' });
        expect(error.remedy).to.include('rootDir');
        expect(names()).to.deep.equal([]);
        expect(records().entries()).to.deep.equal([]);
      }
    } finally {
      await host.mounts.unmount(layersDir());
    }
  });

  it('gives layers of older versions their diff ids, with all who name them, from any point of a crash', async () => {
    const diffIds = ['a', 'b', 'c'].map(digestOf);
    const chain = chainIds(diffIds);
    const oldRecords: [string, LayerRecord][] = [...chain, 'sha256:unknown'].map((key, index) => [
      key,
      { version: 1, folder: `folder-${index}`, diskBytes: 1, inodes: 1 },
    ]);
    const tables = () => ({
      images: host.store.table<{ layers: string[]; diffIds?: string[] }>('images'),
      snapshots: host.store.table<{ layers: string[] }>('snapshots'),
      layers: records(),
    });
    for (let crashAt = 0; ; crashAt += 1) {
      const { images, snapshots, layers } = tables();
      for (const table of [images, snapshots, layers]) {
        for (const [key] of table.entries()) await table.remove(key);
      }
      for (const [key, record] of oldRecords) {
        fs.mkdirSync(`${layersDir()}/${record.folder}`, { recursive: true });
        await layers.put(key, record);
      }
      await images.put('image', { layers: chain.toReversed(), diffIds });
      await images.put('older', { layers: ['sha256:unknown'] });
      await snapshots.put('container', { layers: chain.toReversed() });

      let left = crashAt;
      const crashing = <T>(table: {
        put(key: string, value: T): Promise<void>;
        remove(key: string): Promise<void>;
      }) => ({
        ...table,
        put: async (key: string, value: T) => {
          if (left-- === 0) throw new Error('crash');
          await table.put(key, value);
        },
        remove: async (key: string) => {
          if (left-- === 0) throw new Error('crash');
          await table.remove(key);
        },
      });
      const crashed = await moveToDiffIds({
        images: { ...tables().images, ...crashing(images) },
        snapshots: { ...tables().snapshots, ...crashing(snapshots) },
        layers: { ...tables().layers, ...crashing(layers) },
      }).then(
        () => false,
        () => true,
      );
      await moveToDiffIds(tables());
      store = await newStore();
      expect(images.get('image')?.layers).to.deep.equal(diffIds.toReversed());
      expect(images.get('older')?.layers).to.deep.equal(['sha256:unknown']);
      expect(snapshots.get('container')?.layers).to.deep.equal(diffIds.toReversed());
      expect(
        layers
          .entries()
          .map(([key]) => key)
          .sort(),
      ).to.deep.equal([...diffIds, 'sha256:unknown'].sort());
      expect(names(), 'no folder was lost').to.deep.equal(['folder-0', 'folder-1', 'folder-2', 'folder-3']);
      if (!crashed) break;
    }
  });
});
