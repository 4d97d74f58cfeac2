import { expect } from 'chai';
import fc from 'fast-check';
import { NodeletError } from '../../../src/base/errors.js';
import {
  channels,
  chooseProtocol,
  decodeFrame,
  decodeOutcome,
  decodeSize,
  encodeFrame,
  encodeOutcome,
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
    expect(decodeSize(encodeSize({ columns: 80, rows: 24 }).subarray(1))).to.include({ columns: 80 });
    for (const text of ['', 'x', 'null', '{}', '{"Width":0,"Height":1}', '{"Width":"80","Height":24}'])
      expect(decodeSize(Buffer.from(text)), text).to.equal(undefined);
  });

  it('tells an exit code the way kubectl looks for it', () => {
    expect(JSON.parse(encodeOutcome({ exitCode: 0 }).subarray(1).toString())).to.deep.equal({
      metadata: {},
      status: 'Success',
    });
    expect(JSON.parse(encodeOutcome({ exitCode: 7 }).subarray(1).toString())).to.deep.include({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    });
    for (const exitCode of [0, 7, 137])
      expect(decodeOutcome(encodeOutcome({ exitCode }).subarray(1))).to.equal(exitCode);
  });

  it('tells a failure that is no exit code by its message', () => {
    const error = new NodeletError('tool-failed', 'crun is missing');
    expect(() => decodeOutcome(encodeOutcome({ error }).subarray(1))).to.throw('crun is missing');
  });

  it('prefers v5, takes v4 and nothing older', () => {
    expect(chooseProtocol(['v4.channel.k8s.io', 'v5.channel.k8s.io'])).to.equal('v5.channel.k8s.io');
    expect(chooseProtocol(['v4.channel.k8s.io', 'channel.k8s.io'])).to.equal('v4.channel.k8s.io');
    expect(chooseProtocol(['channel.k8s.io', 'v4.base64.channel.k8s.io', ''])).to.equal(undefined);
  });
});
