import { damaged } from './archive-error.js';
import type { Codec } from './codec.js';
import { loadLibrary, writeWord } from './native-memory.js';

/** struct ZSTD_inBuffer and ZSTD_outBuffer of a 64-bit machine: address, size, position. */
const span = { bytes: 24, address: 0, size: 8, position: 16 };

/** zstd by the machine's libzstd, which limits a frame's window to 128 MiB; undefined where there is none. */
export function zstdCodec(): Codec | undefined {
  const library = loadLibrary('libzstd.so.1');
  if (library === undefined) return undefined;
  const create = library.func('void *ZSTD_createDStream(void)') as () => unknown;
  const decompress = library.func('size_t ZSTD_decompressStream(void *stream, void *to, void *from)');
  const isError = library.func('unsigned int ZSTD_isError(size_t code)');
  const errorName = library.func('const char *ZSTD_getErrorName(size_t code)');
  const free = library.func('size_t ZSTD_freeDStream(void *stream)');
  const stream = create();
  const input = Buffer.alloc(span.bytes);
  const output = Buffer.alloc(span.bytes);
  return {
    step: (from, to) => {
      for (const [struct, { address, bytes }] of [
        [input, from],
        [output, to],
      ] as const) {
        writeWord(struct, address, span.address);
        writeWord(struct, bytes, span.size);
        writeWord(struct, 0, span.position);
      }
      const outcome = decompress(stream, output, input) as number | bigint;
      if (isError(outcome) !== 0) {
        throw damaged(`its compression (zstd) is broken: ${errorName(outcome) as string}`);
      }
      return {
        consumedBytes: input.readUInt32LE(span.position),
        producedBytes: output.readUInt32LE(span.position),
        isMemberEnd: Number(outcome) === 0,
      };
    },
    // A stream that has ended a frame begins the next one by itself.
    reset: () => undefined,
    close: () => void free(stream),
  };
}
