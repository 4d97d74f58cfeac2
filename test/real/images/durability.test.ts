import fs from 'node:fs';
import { expect } from 'chai';
import type { Host } from '../../../src/ports/host.js';
import type { RecordTable } from '../../../src/ports/record-store.js';
import { ImageWorld, failureOf } from './image-world.js';
import { digestOf, imageOf, tarOf } from './registry-double.js';

const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = ['first', 'second'].map((text) =>
  tarOf([{ name: text, text }]),
);
const app = imageOf({ layers: [first, second] });

describe('images: what a crash or loss of power leaves (real file system)', () => {
  let world: ImageWorld;
  beforeEach(() => {
    world = new ImageWorld();
  });
  afterEach(() => world.remove());

  function folderWith(file: string): string {
    const layers = `${world.dir}/layers`;
    const found = fs.readdirSync(layers).find((name) => fs.existsSync(`${layers}/${name}/${file}`));
    if (found === undefined) throw new Error(`no layer holds ${file}`);
    return `${layers}/${found}`;
  }

  it('drops an image that lost a layer, and a new pull fetches only that one', async () => {
    await world.start();
    world.registry.put('app:1', app);
    await world.pull('app:1');
    fs.rmSync(folderWith('second'), { recursive: true });
    await world.restart();
    expect(await world.status(world.name('app:1'))).to.equal(null);
    await world.pull('app:1');
    expect(world.registry.count(digestOf(first))).to.equal(1);
    expect(world.registry.count(digestOf(second))).to.equal(2);
    expect(fs.readFileSync(`${folderWith('second')}/second`, 'utf8')).to.equal('second');
  });

  it('forgets what is left of such an image at the start after', async () => {
    await world.start();
    const before = await world.store();
    world.registry.put('app:1', app);
    await world.pull('app:1');
    fs.rmSync(folderWith('second'), { recursive: true });
    await world.restart();
    await world.restart();
    expect(await world.store()).to.deep.equal(before);
  });

  it('removes layers that were not whole yet', async () => {
    await world.start();
    world.registry.put('app:1', app);
    await world.pull('app:1');
    const before = await world.store();
    for (const name of ['0123456789', '0123456789.tmp'])
      fs.mkdirSync(`${world.dir}/layers/${name}/etc`, { recursive: true });
    fs.writeFileSync(`${world.dir}/layers/0123456789.tmp.blob`, 'x');
    await world.restart();
    expect(await world.store()).to.deep.equal(before);
    expect((await world.status(world.name('app:1')))?.id).to.equal(digestOf(app.config));
  });

  it('ends pulls that run when it stops, and cleans up after them', async () => {
    await world.start();
    const before = await world.store();
    world.registry.put('app:1', app);
    const asked = new Promise<void>((resolve) => world.registry.on(digestOf(second), () => resolve()));
    const pull = failureOf(world.pull('app:1'));
    await asked;
    await world.restart();
    expect(await pull).to.include({ kind: 'unavailable' });
    expect(await world.store()).to.deep.equal(before);
  });

  it("writes a layer's files, then its name, then its record to the disk, and the image's record last", async () => {
    const steps: string[] = [];
    const spy = (host: Host): Host => ({
      ...host,
      layerFiles: {
        ...host.layerFiles,
        syncFileSystem: async (path) => {
          await host.layerFiles.syncFileSystem(path);
          steps.push(path.endsWith('.tmp') ? 'files' : path);
        },
        syncFolder: async (dir) => {
          await host.layerFiles.syncFolder(dir);
          const isNamed = fs.readdirSync(dir).some((name) => /^[0-9a-f]+$/.test(name));
          steps.push(dir.includes('/blobs/') ? 'document' : isNamed ? 'name' : 'no name yet');
        },
      },
      store: {
        ...host.store,
        table: <T>(name: string): RecordTable<T> => {
          const table = host.store.table<T>(name);
          return {
            get: (key) => table.get(key),
            entries: () => table.entries(),
            remove: (key) => table.remove(key),
            put: async (key, value) => {
              steps.push(name);
              await table.put(key, value);
            },
          };
        },
      },
    });
    await world.start({ wrap: spy });
    world.registry.put('app:1', imageOf({ layers: [first] }));
    steps.length = 0;
    await world.pull('app:1');
    expect(steps).to.deep.equal(['files', 'name', 'layers', 'document', 'document', 'images']);
  });
});
