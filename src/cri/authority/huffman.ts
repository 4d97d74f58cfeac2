import { NodeletError } from '../../base/errors.js';

/**
 * Code lengths in bits of the bytes 0 to 255 and of the end-of-string symbol, RFC 7541 appendix B. The code is canonical:
 * codes of one length are consecutive in the order of their symbols, so the lengths say everything.
 */
// prettier-ignore
const codeLengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const endOfString = 256;
const longestCode = 30;

/** By code length: the first code of that length, and the symbols of that length in order. */
const codesByLength = codesOf(codeLengths);

function codesOf(lengths: readonly number[]): { first: number; symbols: number[] }[] {
  const table: { first: number; symbols: number[] }[] = [{ first: 0, symbols: [] }];
  for (let length = 1; length <= longestCode; length++) {
    const shorter = table[length - 1] ?? { first: 0, symbols: [] };
    const symbols = lengths.flatMap((bits, symbol) => (bits === length ? [symbol] : []));
    table.push({ first: (shorter.first + shorter.symbols.length) * 2, symbols });
  }
  return table;
}

/** Decodes a Huffman-coded string literal (RFC 7541 section 5.2) to bytes; `invalid` on bad padding or an end-of-string symbol. */
export function decodeHuffman(coded: Uint8Array): Buffer {
  // The shortest code has five bits.
  const decoded = Buffer.alloc(Math.floor((coded.length * 8) / 5));
  let size = 0;
  let code = 0;
  let length = 0;
  for (const byte of coded) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length += 1;
      const known = codesByLength[length];
      if (known === undefined) throw malformed('an unknown code');
      const symbol = known.symbols[code - known.first];
      if (symbol === undefined) continue;
      if (symbol === endOfString) throw malformed('an end-of-string symbol');
      decoded[size++] = symbol;
      code = 0;
      length = 0;
    }
  }
  // What is left is padding: fewer than eight bits, all of them ones.
  if (length > 7 || code !== 2 ** length - 1) throw malformed('bad padding');
  return decoded.subarray(0, size);
}

const malformed = (what: string): NodeletError =>
  new NodeletError('invalid', `a Huffman-coded header has ${what}`);
