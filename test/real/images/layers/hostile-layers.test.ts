import fs from 'node:fs';
import { expect } from 'chai';
import { hostileLayers } from '../../../images/layers/hostile-layers.js';
import { failureOf } from '../image-world.js';
import { LayerBench } from './layer-bench.js';

describe('images: hostile layers (real file system)', () => {
  const bench = new LayerBench();
  const outside = `${bench.dir}/outside`;
  before(() => {
    fs.mkdirSync(outside);
    fs.writeFileSync(`${outside}/secret`, 'secret');
  });
  after(() => bench.remove());

  /** All that could be touched outside of a layer's folder. */
  const surroundings = (): unknown => {
    const { nlink, mtimeMs, ctimeMs } = fs.statSync(`${outside}/secret`);
    return [fs.readdirSync(bench.dir).sort(), fs.readdirSync(outside), nlink, mtimeMs, ctimeMs];
  };

  for (const { what, bytes, kind, field, limits } of hostileLayers(outside)) {
    it(`refuses ${what}`, async () => {
      const places = bench.places();
      const before = surroundings();
      const error = await failureOf(bench.unpack(bytes, { places, ...(limits !== undefined && { limits }) }));
      expect(error, error.describe()).to.include({ kind, field });
      expect(error.remedy, 'a remedy').to.be.a('string');
      expect(surroundings()).to.deep.equal(before);
    });
  }
});
