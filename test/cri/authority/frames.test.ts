import { expect } from 'chai';
import fc from 'fast-check';
import { NodeletError } from '../../../src/base/errors.js';
import {
  FrameSplitter,
  frameFlags,
  frameOf,
  frameTypes,
  framesOf,
} from '../../../src/cri/authority/frames.js';
import type { HeaderBlock, Piece } from '../../../src/cri/authority/frames.js';
import { preface } from './http2-clients.js';

const octets = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
const streamId = fc.integer({ min: 1, max: 0x7fffffff });
const headerBlock: fc.Arbitrary<HeaderBlock> = fc.record({
  streamId,
  endStream: fc.boolean(),
  priority: fc.constantFrom(Buffer.alloc(0), Buffer.from([0, 0, 0, 1, 9])),
  fragment: fc.oneof(
    octets(200),
    fc.constantFrom(16_379, 16_380, 16_384, 16_385, 40_000).map((size) => Buffer.alloc(size, 7)),
  ),
});
const otherFrame = fc
  .record({
    type: fc.integer({ min: 0, max: 255 }).filter((type) => type !== 1 && type !== 9),
    flags: fc.integer({ min: 0, max: 255 }),
    payload: octets(300),
  })
  .map(({ type, flags, payload }) => frameOf(type, payload, { flags, streamId: 3 }));
const conversation = fc.array(fc.oneof(headerBlock.map(framesOf), otherFrame), { maxLength: 8 });

/** Whole frames, so that the way in which a payload was cut doesn't matter. */
function digest(chunks: Buffer[]): { pieces: string[]; bytes: Buffer } {
  const splitter = new FrameSplitter();
  const pieces: string[] = [];
  const all: Buffer[] = [];
  for (const chunk of chunks) {
    for (const piece of splitter.feed(chunk)) {
      all.push(piece.bytes);
      if (piece.kind === 'payload') pieces.push(`${pieces.pop() ?? ''}${piece.bytes.toString('hex')}`);
      else pieces.push(describePiece(piece));
    }
  }
  return { pieces, bytes: Buffer.concat([...all, splitter.rest]) };
}

function describePiece(piece: Piece): string {
  if (piece.kind !== 'headers') return `${piece.kind} ${piece.bytes.toString('hex')} `;
  const { streamId: id, endStream, priority, fragment } = piece.block;
  return `headers ${id} ${endStream} ${priority.toString('hex')} ${fragment.toString('hex')}`;
}

function cut(bytes: Buffer, sizes: number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...chunks, bytes.subarray(at)];
}

describe("cri: frames of a client's connection", () => {
  it('gives the same frames and loses no byte, whatever chunks they come in', () => {
    fc.assert(
      fc.property(
        conversation,
        fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 40 }),
        (frames, sizes) => {
          const sent = Buffer.concat([preface, ...frames]);
          const whole = digest([sent]);
          expect(digest(cut(sent, sizes))).to.deep.equal(whole);
          expect(whole.bytes.equals(sent)).to.equal(true);
        },
      ),
    );
  });

  it('gives the same frames byte by byte, and knows what is not whole yet', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(otherFrame, fc.constant(framesOf(small))), { maxLength: 3 }),
        (frames) => {
          const sent = Buffer.concat([preface, ...frames]);
          expect(digest([...sent].map((byte) => Buffer.of(byte)))).to.deep.equal(digest([sent]));
          const most = sent.subarray(0, -1);
          expect(digest([most]).bytes.equals(most)).to.equal(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  const small: HeaderBlock = {
    streamId: 5,
    endStream: true,
    priority: Buffer.alloc(0),
    fragment: Buffer.from('block'),
  };

  it('reads back the blocks that it frames', () => {
    fc.assert(
      fc.property(headerBlock, (block) => {
        const [, piece] = [...new FrameSplitter().feed(Buffer.concat([preface, framesOf(block)]))];
        expect(piece).to.deep.include({ kind: 'headers', block });
      }),
    );
  });

  it('strips padding and keeps the priority', () => {
    const payload = Buffer.from([3, 0, 0, 0, 1, 9, ...Buffer.from('block'), 0, 0, 0]);
    const flags = frameFlags.padded | frameFlags.priority | frameFlags.endHeaders;
    const frame = frameOf(frameTypes.headers, payload, { flags, streamId: 1 });
    const [, piece] = [...new FrameSplitter().feed(Buffer.concat([preface, frame]))];
    expect(piece).to.have.nested.include({ 'block.endStream': false });
    expect(piece?.kind === 'headers' && piece.block.fragment.toString()).to.equal('block');
    expect(piece?.kind === 'headers' && [...piece.block.priority]).to.deep.equal([0, 0, 0, 1, 9]);
  });

  const headers = (payload: Buffer, flags: number): Buffer =>
    frameOf(frameTypes.headers, payload, { flags, streamId: 1 });
  const continuation = (payload: Buffer, flags: number, id = 1): Buffer =>
    frameOf(frameTypes.continuation, payload, { flags, streamId: id });
  for (const [what, ...frames] of [
    ['padding larger than the payload', headers(Buffer.from([9, 1]), frameFlags.padded)],
    ['a padded frame without a payload', headers(Buffer.alloc(0), frameFlags.padded)],
    ['a priority that is cut short', headers(Buffer.alloc(4), frameFlags.priority)],
    ['a frame within a block', headers(Buffer.from('a'), 0), frameOf(frameTypes.settings, Buffer.alloc(0))],
    ['a block within a block', headers(Buffer.from('a'), 0), headers(Buffer.from('a'), 4)],
    ["another stream's continuation", headers(Buffer.from('a'), 0), continuation(Buffer.from('a'), 4, 3)],
    ['a continuation of nothing', continuation(Buffer.from('a'), 4)],
    ['a header frame that is too large', headers(Buffer.alloc(16_385), 4)],
    [
      'a block without end',
      headers(Buffer.alloc(16_384), 0),
      ...Array.from({ length: 4 }, () => continuation(Buffer.alloc(16_384), 0)),
    ],
  ] as [string, ...Buffer[]][]) {
    it(`refuses ${what}`, () => {
      expect(() => [...new FrameSplitter().feed(Buffer.concat([preface, ...frames]))]).to.throw(NodeletError);
    });
  }

  it('refuses a client that speaks something else, at its first wrong byte', () => {
    expect(() => [...new FrameSplitter().feed(Buffer.from('GET /'))]).to.throw(NodeletError, 'preface');
    expect([...new FrameSplitter().feed(Buffer.from('PRI * HT'))]).to.deep.equal([]);
  });
});
