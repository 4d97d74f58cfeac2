import fc from 'fast-check';
import type { LogOptions } from '../../../src/agent/logs/log-options.js';

/** One entry of a log; without a stream it is a line in no form. */
export interface Entry {
  timeNs: bigint;
  stream?: 'stdout' | 'stderr';
  partial: boolean;
  text: Buffer;
}

/** RFC 3339 to the nanosecond, in UTC as conmon writes it. */
export function timeText(timeNs: bigint): string {
  const seconds = new Date(Number(timeNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(timeNs % 1_000_000_000n).padStart(9, '0')}+00:00`;
}

export function entryBytes({ timeNs, stream, partial, text }: Entry): Buffer {
  if (stream === undefined) return Buffer.concat([text, Buffer.from('\n')]);
  const head = `${timeText(timeNs)} ${stream} ${partial ? 'P' : 'F'} `;
  return Buffer.concat([Buffer.from(head), text, Buffer.from('\n')]);
}

/** What a reader must see of a log, by the simplest rules: all entries in memory, line by line. */
export function naiveText(entries: readonly Entry[], options: LogOptions): Buffer {
  const lines = linesOf(entries);
  const tail =
    options.tailLines === undefined ? lines : lines.slice(Math.max(0, lines.length - options.tailLines));
  const isSince = ([first]: Entry[]): boolean =>
    options.sinceNs === undefined || (first?.stream !== undefined && first.timeNs >= options.sinceNs);
  const first = tail.findIndex(isSince);
  const shown = (first < 0 ? [] : tail.slice(first))
    .flat()
    .filter(({ stream }) => [undefined, stream].includes(options.stream) || stream === undefined);
  const pieces = linesOf(shown).flatMap((parts) => [
    Buffer.from(
      options.timestamps === true && parts[0]?.stream !== undefined ? `${timeText(parts[0].timeNs)} ` : '',
    ),
    ...parts.map(({ text }) => text),
    Buffer.from(parts.at(-1)?.partial === false ? '\n' : ''),
  ]);
  return Buffer.concat(pieces).subarray(0, options.limitBytes);
}

function linesOf(entries: readonly Entry[]): Entry[][] {
  const lines: Entry[][] = [];
  for (const entry of entries) {
    const last = lines.at(-1);
    if (last?.at(-1)?.partial === true) last.push(entry);
    else lines.push([entry]);
  }
  return lines;
}

const startNs = 1_700_000_000_000_000_000n;
const text = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 10 ? 11 : byte))));
/** Some texts are longer than a block, and than what a head may take. */
const anyText = fc.oneof(
  { weight: 12, arbitrary: text },
  {
    weight: 12,
    arbitrary: fc
      .tuple(text, fc.integer({ min: 200, max: 20_000 }))
      .map(([bytes, size]) => Buffer.alloc(size, bytes)),
  },
  { weight: 1, arbitrary: fc.constant(Buffer.alloc(70_000, 'long')) },
);

/** Entries at times that never fall, some at the same one. A few lines are in no form. */
export const anyEntries = fc
  .array(
    fc.record({
      stepNs: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 5_000_000_000n })),
      form: fc.constantFrom<Pick<Entry, 'stream' | 'partial'>>(
        { stream: 'stdout', partial: false },
        { stream: 'stdout', partial: true },
        { stream: 'stderr', partial: false },
        { stream: 'stderr', partial: true },
        { stream: 'stdout', partial: false },
        { partial: false },
      ),
      text: anyText,
    }),
    { minLength: 1, maxLength: 40, size: 'max' },
  )
  .map((steps) => {
    let timeNs = startNs;
    return steps.map(({ stepNs, form, text: bytes }): Entry => {
      timeNs += stepNs;
      return {
        timeNs,
        ...form,
        text: form.stream === undefined ? Buffer.concat([Buffer.from('~'), bytes]) : bytes,
      };
    });
  });

/** Options that go together. */
export const anyOptions = fc
  .record<LogOptions>(
    {
      timestamps: fc.boolean(),
      tailLines: fc.oneof(fc.nat(6), fc.nat(60)),
      sinceNs: fc.bigInt({ min: -1_000_000_000n, max: 120_000_000_000n }).map((afterNs) => startNs + afterNs),
      limitBytes: fc.integer({ min: 1, max: 4000 }),
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    },
    { requiredKeys: [] },
  )
  .map(({ stream, ...options }): LogOptions =>
    options.tailLines === undefined && stream !== undefined ? { ...options, stream } : options,
  );
