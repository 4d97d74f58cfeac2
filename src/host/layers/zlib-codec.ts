import { damaged } from './archive-error.js';
import type { Codec } from './codec.js';
import { addressOf, loadLibrary, writeWord } from './native-memory.js';

/** struct z_stream of a 64-bit machine, zlib.h: the same since 1995. */
const stream = { bytes: 112, nextIn: 0, availableIn: 8, nextOut: 24, availableOut: 32 };
/** The largest window, and 16 for gzip's header and trailer. */
const gzipWindowBits = 15 + 16;
const result = { streamEnd: 1, noProgress: -5 };

/** gzip by the machine's zlib; undefined where there is none. */
export function zlibCodec(): Codec | undefined {
  const library = loadLibrary('libz.so.1');
  if (library === undefined) return undefined;
  const init = library.func(
    'int inflateInit2_(void *stream, int windowBits, const char *version, int bytes)',
  );
  const inflate = library.func('int inflate(void *stream, int flush)') as (
    stream: Buffer,
    flush: number,
  ) => number;
  const reset = library.func('int inflateReset(void *stream)');
  const end = library.func('int inflateEnd(void *stream)');
  const state = Buffer.alloc(stream.bytes);
  // The library keeps the address of the state and compares it at each call.
  addressOf(state);
  if (init(state, gzipWindowBits, '1.2.0', stream.bytes) !== 0) return undefined;
  return {
    step: (from, to) => {
      writeWord(state, from.address, stream.nextIn);
      state.writeUInt32LE(from.bytes, stream.availableIn);
      writeWord(state, to.address, stream.nextOut);
      state.writeUInt32LE(to.bytes, stream.availableOut);
      const outcome = inflate(state, 0);
      if (outcome < 0 && outcome !== result.noProgress) {
        throw damaged(`its compression (gzip) is broken, zlib's error ${outcome}`);
      }
      return {
        consumedBytes: from.bytes - state.readUInt32LE(stream.availableIn),
        producedBytes: to.bytes - state.readUInt32LE(stream.availableOut),
        isMemberEnd: outcome === result.streamEnd,
      };
    },
    reset: () => void reset(state),
    close: () => void end(state),
  };
}
