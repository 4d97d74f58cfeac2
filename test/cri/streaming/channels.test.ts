import { expect } from 'chai';
import fc from 'fast-check';
import {
  channels,
  decodeFrame,
  decodeSize,
  encodeFrame,
  encodeSize,
} from '../../../src/cri/streaming/channels.js';

describe('cri streaming: channels', () => {
  it('puts the channel before the data and takes it off again', () => {
    expect([...encodeFrame(channels.stderr, Buffer.from('no'))]).to.deep.equal([2, 0x6e, 0x6f]);
    expect(decodeFrame(Buffer.of(255, 0))).to.deep.equal({ channel: channels.close, data: Buffer.of(0) });
    expect(decodeFrame(Buffer.alloc(0))).to.equal(undefined);
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeFrame(encodeFrame(channels.stdin, bytes))?.data).to.deep.equal(Buffer.from(bytes));
      }),
    );
  });

  it('reads sizes as Kubernetes writes them, and nothing else', () => {
    expect(decodeSize(Buffer.from('{"Width":120,"Height":33}'))).to.deep.equal({ columns: 120, rows: 33 });
    // The JavaScript client's way.
    expect(decodeSize(Buffer.from('{"height":33,"width":120}'))).to.deep.equal({ columns: 120, rows: 33 });
    expect(decodeSize(encodeSize({ columns: 80, rows: 24 }).subarray(1))).to.include({ columns: 80 });
    for (const text of ['', 'x', 'null', '{}', '{"Width":0,"Height":1}', '{"Width":"80","Height":24}'])
      expect(decodeSize(Buffer.from(text)), text).to.equal(undefined);
  });
});
