import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import { imageHistory } from '../../src/images/image-history.js';

const bytes: Record<string, number> = { base: 100, top: 20 };
const history = (steps: unknown) => {
  const config = steps === undefined ? undefined : Buffer.from(JSON.stringify({ history: steps }));
  const told = imageHistory({ layers: ['top', 'base'] }, config, (layer) => bytes[layer] ?? 0);
  return told.map(({ createdBy, sizeBytes, layer }) => [createdBy, sizeBytes, layer]);
};

describe('images: the history of an image', () => {
  it('has the newest step first, each with the size of its layer, and none for steps without one', () => {
    const steps = [
      { created_by: 'ADD rootfs', created: '2026-01-01T00:00:00Z' },
      { created_by: 'ENV a=b', empty_layer: true },
      { created_by: 'COPY app', empty_layer: false, comment: null },
    ];
    expect(history(steps)).to.deep.equal([
      ['COPY app', 20, 'top'],
      ['ENV a=b', 0, undefined],
      ['ADD rootfs', 100, 'base'],
    ]);
  });

  it('has a step for each layer that nothing is told of', () => {
    const unknown = [
      ['', 20, 'top'],
      ['', 100, 'base'],
    ];
    expect(history(undefined)).to.deep.equal(unknown);
    expect(history(null)).to.deep.equal(unknown);
    expect(history([{ created_by: 'ADD rootfs' }])).to.deep.equal([unknown[0], ['ADD rootfs', 100, 'base']]);
  });

  it('says what is wrong with a config that is damaged', () => {
    expect(() => history([{ empty_layer: 'yes' }]))
      .to.throw(NodeletError, /config\.history\[0\]\.empty_layer must be true or false/)
      .that.includes({ kind: 'corrupt' });
  });
});
