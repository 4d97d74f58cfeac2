import { randomBytes } from 'node:crypto';
import zlib from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { headerDictionary } from '../../../src/cri/streaming/spdy/dictionary.js';
import type { Frame } from '../../../src/cri/streaming/spdy/frames.js';
import {
  FrameDecoder,
  encodeDataHead,
  encodePing,
  encodeReset,
  encodeWindowUpdate,
} from '../../../src/cri/streaming/spdy/frames.js';
import { HeaderReader, HeaderWriter, parseHeaders } from '../../../src/cri/streaming/spdy/header-blocks.js';

/** What kubectl 1.32 sent for `echo hi | kubectl exec -i box -- sh -c ...`, from the first byte behind the upgrade. */
const recorded = Buffer.from(
  [
    '80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a68000000',
    '00ffff800300010000001700000003000000000000c22e555c92929907000000ffff800300010000001900000005',
    '000000000000c22ac5565c92925f5a02000000ffff800300010000001500000007000000000000c229975a540400',
    '0000ffff000000030000000368690a0000000301000000',
  ].join(''),
  'hex',
);

/** Decodes bytes that come in pieces of the given sizes, the rest at once. */
function decode(bytes: Buffer, sizes: readonly number[] = []): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  let at = 0;
  for (const size of [...sizes, bytes.length]) {
    frames.push(...decoder.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return frames;
}

/** Pieces of one data frame put together again, since a frame is handed on as it comes. */
function joined(frames: Frame[]): Frame[] {
  const result: Frame[] = [];
  for (const frame of frames) {
    const last = result.at(-1);
    if (frame.kind === 'data' && last?.kind === 'data' && last.streamId === frame.streamId && !last.fin)
      result[result.length - 1] = { ...frame, bytes: Buffer.concat([last.bytes, frame.bytes]) };
    else result.push(frame);
  }
  return result;
}

const control = (type: number, body: Buffer): Buffer => {
  const head = Buffer.from([0x80, 3, 0, type, 0, 0, 0, 0]);
  head.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([head, body]);
};

describe('cri streaming: SPDY frames', () => {
  it('has the dictionary that zlib knows SPDY/3 by', () => {
    // The second word of a zlib stream with a dictionary is that dictionary's checksum (RFC 1950).
    const stream = zlib.deflateSync('x', { dictionary: headerDictionary });
    expect(stream.subarray(2, 6).toString('hex')).to.equal('e3c6a7c2');
  });

  it('reads what kubectl sends, headers, data and ends', () => {
    const reader = new HeaderReader();
    const story: string[] = [];
    for (const frame of joined(decode(recorded))) {
      if (frame.kind === 'syn-stream')
        story.push(`${frame.streamId} ${reader.read(frame.headerBlock).get('streamtype')}`);
      else if (frame.kind === 'data')
        story.push(`${frame.streamId} "${frame.bytes.toString()}"${frame.fin ? ' end' : ''}`);
      else story.push(frame.kind);
    }
    expect(story).to.deep.equal(['1 error', '3 stdin', '5 stdout', '7 stderr', '3 "hi\n" end']);
  });

  it('reads the same frames however the bytes are cut', () => {
    const whole = joined(decode(recorded));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 })), (sizes) => {
        expect(joined(decode(recorded, sizes))).to.deep.equal(whole);
      }),
    );
  });

  it('reads back what it writes', () => {
    const frames = decode(Buffer.concat([encodePing(7), encodeReset(5, 3), encodeWindowUpdate(3, 70_000)]));
    expect(frames).to.deep.equal([
      { kind: 'ping', id: 7 },
      { kind: 'rst-stream', streamId: 5, status: 3 },
      { kind: 'window-update', streamId: 3, delta: 70_000 },
    ]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, fin) => {
        const data = Buffer.concat([encodeDataHead(9, { bytes: bytes.length, fin }), bytes]);
        const isSilent = bytes.length === 0 && !fin;
        const expected = { kind: 'data', streamId: 9, bytes: Buffer.from(bytes), fin };
        expect(joined(decode(data, [3, 9, 1]))).to.deep.equal(isSilent ? [] : [expected]);
      }),
    );
  });

  it('takes any bytes for frames or refuses them, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(20)), (bytes, sizes) => {
        try {
          decode(Buffer.from(bytes), sizes);
        } catch (thrown) {
          expect(thrown).to.include({ kind: 'invalid' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses a changed recording or reads on, and nothing else', () => {
    fc.assert(
      fc.property(fc.nat(recorded.length - 1), fc.nat(255), (at, value) => {
        const bytes = Buffer.from(recorded);
        bytes[at] = value;
        const reader = new HeaderReader();
        try {
          for (const frame of decode(bytes)) if ('headerBlock' in frame) reader.read(frame.headerBlock);
        } catch (thrown) {
          expect(thrown).to.include({ kind: 'invalid' });
        }
      }),
    );
  });

  it('refuses other versions, long control frames and ones that are cut off, and passes over unknown types', () => {
    expect(() => decode(Buffer.from('8002000600000004000000ff', 'hex'))).to.throw('version 2');
    expect(() => decode(Buffer.from('80030001000fffff', 'hex'))).to.throw('1048575 bytes');
    for (const type of [1, 3, 4, 6, 8, 9])
      expect(() => decode(control(type, Buffer.alloc(2)))).to.throw('cut off');
    expect(() => decode(control(4, Buffer.from('00000002', 'hex')))).to.throw('settings');
    expect(decode(Buffer.concat([control(99, Buffer.alloc(50)), encodePing(1)]))).to.have.length(1);
  });
});

describe('cri streaming: SPDY header blocks', () => {
  /** Headers as they are before zlib: their count, and each name and value behind its length. */
  const plain = (headers: Record<string, string>): Buffer => {
    const pairs = Object.entries(headers);
    const word = (value: number): Buffer => Buffer.from([0, 0, value >> 8, value & 0xff]);
    const texts = pairs.flat().flatMap((text) => [word(text.length), Buffer.from(text)]);
    return Buffer.concat([word(pairs.length), ...texts]);
  };
  const deflated = (block: Buffer): Buffer =>
    zlib.deflateSync(block, { dictionary: headerDictionary, finishFlush: zlib.constants.Z_SYNC_FLUSH });

  it('writes blocks that another zlib reads as one stream', () => {
    const writer = new HeaderWriter();
    const stream = Buffer.concat([writer.write(), writer.write({ port: '80' }), writer.write()]);
    const read = zlib.inflateSync(stream, {
      dictionary: headerDictionary,
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
    });
    expect(read).to.deep.equal(Buffer.concat([plain({}), plain({ port: '80' }), plain({})]));
  });

  it('writes headers that come with one zlib stream, block by block', () => {
    const writer = new HeaderWriter();
    const reader = new HeaderReader();
    for (const streamType of ['error', 'data']) {
      const read = reader.read(writer.write({ streamType, port: '80', note: 'ü' }));
      expect([...read]).to.deep.equal([
        ['streamtype', streamType],
        ['port', '80'],
        ['note', 'ü'],
      ]);
    }
  });

  it("reads blocks that repeat others' text, from as far back as zlib looks", async () => {
    const deflate = zlib.createDeflate({ dictionary: headerDictionary });
    const reader = new HeaderReader();
    const texts = Array.from({ length: 12 }, () => randomBytes(2000).toString('hex'));
    for (const [index, text] of texts.entries()) {
      const headers = { requestid: text, earlier: texts[Math.max(0, index - 3)] ?? '' };
      deflate.write(plain(headers));
      await new Promise<void>((resolve) => deflate.flush(zlib.constants.Z_SYNC_FLUSH, resolve));
      expect([...reader.read(deflate.read() as Buffer)]).to.deep.equal(Object.entries(headers));
    }
    deflate.destroy();
  });

  it('refuses a block that unpacks to far more than it is', () => {
    const bomb = deflated(Buffer.alloc(10 * 1024 * 1024));
    expect(bomb.length).to.be.below(16 * 1024);
    expect(() => new HeaderReader().read(bomb))
      .to.throw('more than 16384 bytes')
      .that.includes({ kind: 'invalid' });
  });

  it('refuses what is not compressed by the dictionary, has another, or is not flushed', () => {
    const flush = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
    const text = plain({ streamtype: 'data' });
    for (const block of [
      Buffer.from('plain'),
      Buffer.concat([text, Buffer.from('0000ffff', 'hex')]),
      zlib.deflateSync(text, { ...flush, dictionary: Buffer.from('another') }),
      zlib.deflateSync(text, { dictionary: headerDictionary }),
    ])
      expect(() => new HeaderReader().read(block), block.toString('hex'))
        .to.throw('the SPDY connection is broken')
        .that.includes({ kind: 'invalid' });
  });

  it('parses any bytes or refuses them, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          parseHeaders(Buffer.from(bytes));
        } catch (thrown) {
          expect(thrown).to.include({ kind: 'invalid' });
        }
      }),
    );
  });
});
