import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import type { ImageId } from '../../src/base/ids.js';
import type { ImageRecord } from '../../src/images/image-catalog.js';
import { ImageCatalog } from '../../src/images/image-catalog.js';
import type { RecordTable } from '../../src/ports/record-store.js';

const id = (beginning: string): ImageId => `sha256:${beginning.padEnd(64, '0')}` as ImageId;
const image = (beginning: string, repoTags: string[] = []): ImageRecord => ({
  version: 1,
  id: id(beginning),
  repoTags,
  repoDigests: [],
  layers: [],
  run: {
    user: '',
    env: [],
    entrypoint: [],
    cmd: [],
    workingDir: '',
    stopSignal: '',
    volumes: [],
    labels: {},
  },
});

function catalogOf(...images: ImageRecord[]): ImageCatalog {
  const rows = new Map(images.map((record) => [record.id as string, record]));
  const table: RecordTable<ImageRecord> = {
    get: (key) => rows.get(key),
    entries: () => [...rows],
    put: async (key, value) => void rows.set(key, value),
    remove: async (key) => void rows.delete(key),
  };
  return new ImageCatalog(table);
}

describe('images: what a text finds', () => {
  const catalog = catalogOf(
    image('facade1'),
    image('facade2'),
    image('bada55'),
    image('123456', ['docker.io/library/bada55:latest', 'docker.io/library/facade:latest']),
  );

  it('is an image by the beginning of its id, with and without sha256', () => {
    expect(catalog.find('facade1')?.id).to.equal(id('facade1'));
    expect(catalog.find('sha256:bada55')?.id).to.equal(id('bada55'));
    expect(catalog.find('bada5'), 'too short for an id').to.equal(undefined);
  });

  it('is an image by a name that could be the beginning of an id, before the image of that id', () => {
    for (const text of ['bada55', 'facade', 'bada55:latest']) {
      expect(catalog.find(text)?.id, text).to.equal(id('123456'));
    }
  });

  it('is refused by the name of the field where it begins several ids', () => {
    expect(() => catalog.find('sha256:facade', 'config.image.image'))
      .to.throw(NodeletError, /2 images/)
      .that.includes({ kind: 'invalid', field: 'config.image.image' });
  });

  it('is nothing by a whole id that no image has, whatever images are called', () => {
    expect(catalog.find(id('facade')), 'sha256:…').to.equal(undefined);
    expect(catalog.find(id('facade').slice(7))).to.equal(undefined);
  });
});
