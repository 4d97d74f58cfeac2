import { expect } from 'chai';
import fc from 'fast-check';
import { HpackDecoder, encodeLiterals } from '../../../src/cri/authority/hpack.js';
import { NodeletError } from '../../../src/base/errors.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const pairs = (decoder: HpackDecoder, text: string): string[] =>
  decoder.decode(hex(text)).map(({ name, value }) => `${name}: ${value}`);

describe('cri: header blocks', () => {
  it('reads the request examples of RFC 7541, plain (C.3) and Huffman-coded (C.4), with one table per connection', () => {
    const first = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
    const third = [
      ...[':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com'],
      'custom-key: custom-value',
    ];
    for (const blocks of [
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ]) {
      const decoder = new HpackDecoder();
      const [a = '', b = '', c = ''] = blocks;
      expect(pairs(decoder, a)).to.deep.equal(first);
      expect(pairs(decoder, b)).to.deep.equal([...first, 'cache-control: no-cache']);
      expect(pairs(decoder, c)).to.deep.equal(third);
    }
  });

  it('forgets the oldest entries when the client makes the table smaller', () => {
    const decoder = new HpackDecoder();
    pairs(decoder, '40 01 61 01 31');
    expect(pairs(decoder, 'be')).to.deep.equal(['a: 1']);
    // 34 bytes hold that entry, 33 don't.
    expect(pairs(decoder, '3f03 be')).to.deep.equal(['a: 1']);
    expect(() => pairs(decoder, '3f02 be')).to.throw(NodeletError, 'in no table');
  });

  for (const [what, block] of [
    ['index 0', '80'],
    ['an index in no table', 'be'],
    ['a number out of range', 'ff ffffffff 7f'],
    ['a number padded without end', 'bf 8080808080808080 00'],
    ['a table larger than allowed', '3f e2ff 0f'],
    ['a table size after a field', '82 20'],
    ['a string that is cut short', '40 03 61'],
    ['a name that is missing', '40'],
    ['the end-of-string symbol', '40 01 61 84 ffffffff'],
    ['padding of a whole byte', '40 01 61 82 1fff'],
    ['padding that is not ones', '40 01 61 81 18'],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => new HpackDecoder().decode(hex(block))).to.throw(NodeletError);
    });
  }

  it('refuses a small block that unfolds to very many bytes', () => {
    const entry = Buffer.concat([hex('40 01 61 7f b11e'), Buffer.alloc(4016, 'x')]);
    const decoder = new HpackDecoder();
    decoder.decode(entry);
    expect(() => decoder.decode(Buffer.alloc(1000, 0xbe))).to.throw(NodeletError, 'bytes of fields');
  });

  it('writes what it reads: any octets, any length, never-indexed fields marked', () => {
    const octets = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
    const field = fc.record({ name: octets, value: octets, sensitive: fc.boolean() });
    fc.assert(
      fc.property(fc.array(field, { maxLength: 10 }), (fields) => {
        expect(new HpackDecoder().decode(encodeLiterals(fields))).to.deep.equal(fields);
      }),
    );
  });

  it('ends on any bytes: with fields, or with a NodeletError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          new HpackDecoder().decode(Buffer.from(bytes));
        } catch (thrown) {
          expect(thrown).to.be.instanceOf(NodeletError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
