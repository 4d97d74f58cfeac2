import { expect } from 'chai';
import fc from 'fast-check';
import type { LogOptions } from '../../../src/agent/logs/log-options.js';
import { readRun } from '../../../src/agent/logs/run-reader.js';
import { LogDisk } from './log-disk.js';
import type { Entry } from './naive-log.js';
import { anyEntries, anyOptions, entryBytes, naiveText } from './naive-log.js';

const ended = { ended: () => true, watch: () => () => undefined };

async function read(disk: LogDisk, options: LogOptions): Promise<Buffer> {
  const life = { ...ended, signal: new AbortController().signal };
  const pieces: Buffer[] = [];
  for await (const piece of readRun(disk.place, options, disk.parts, life)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** What may be done to the files between two entries. */
type Step = 'rename' | 'reopen' | 'rotate' | 'pack' | 'packTorn';
function take(disk: LogDisk, step: Step): void {
  if (step === 'rename' || step === 'rotate') disk.rename();
  if (step === 'reopen' || step === 'rotate') disk.reopen();
  if (step === 'pack') disk.pack();
  if (step === 'packTorn') disk.pack(true);
}
const anySteps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    {
      weight: 4,
      arbitrary: fc.constantFrom<Step>('rename', 'reopen', 'rotate', 'pack', 'packTorn', 'rotate', 'pack'),
    },
  ),
  { minLength: 40, maxLength: 40 },
);

function fill(disk: LogDisk, entries: readonly Entry[], steps: readonly (Step | undefined)[]): void {
  for (const [index, entry] of entries.entries()) {
    disk.write(entryBytes(entry));
    const step = steps[index];
    if (step !== undefined) take(disk, step);
  }
}

const out = (text: string, second = 0): Entry => ({
  timeNs: 1_700_000_000_000_000_000n + BigInt(second) * 1_000_000_000n,
  stream: 'stdout',
  partial: false,
  text: Buffer.from(text),
});

describe('reading the log of a run', () => {
  it('agrees with the simplest reader, however lines were split and files rotated', async () => {
    await fc.assert(
      fc.asyncProperty(anyEntries, anySteps, anyOptions, async (entries, steps, options) => {
        const disk = new LogDisk();
        fill(disk, entries, steps);
        const expected = naiveText(entries, options);
        expect((await read(disk, options)).equals(expected)).to.equal(true);
        expect((await read(disk, { ...options, follow: true })).equals(expected)).to.equal(true);
        expect(disk.warnings).to.deep.equal([]);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  }).timeout(120_000);

  it('passes a line without form on as it is, and bytes that are no text', async () => {
    const disk = new LogDisk();
    const binary = Buffer.from([0, 255, 13, 128, 27]);
    disk.write(Buffer.from('panic: no form\n2026-01-31T00:00:00Z stdin F x\n'));
    disk.write(entryBytes({ ...out(''), text: binary }));
    disk.write(
      Buffer.from('2026-01-31T00:00:00Z stdout F:tag:more tagged\n2026-01-31T00:00:00Z stderr F\nno end'),
    );
    expect((await read(disk, {})).toString('latin1')).to.equal(
      `panic: no form\n2026-01-31T00:00:00Z stdin F x\n${binary.toString('latin1')}\ntagged\n\nno end`,
    );
  });

  it('leaves out what is only half written, until it is whole', async () => {
    const disk = new LogDisk();
    disk.write(Buffer.concat([entryBytes(out('one')), Buffer.from('2026-01-31T00:00:0')]));
    expect((await read(disk, {})).toString()).to.equal('one\n');
    expect((await read(disk, { tailLines: 1 })).toString()).to.equal('one\n');
    expect((await read(disk, { tailLines: 0 })).toString()).to.equal('');
  });

  it('stops at what was there when it was asked for, though the writer never rests', async () => {
    const disk = new LogDisk();
    const more = Buffer.concat(Array.from({ length: 3000 }, () => entryBytes(out('x'.repeat(40)))));
    disk.write(more);
    let lines = 0;
    const life = { ...ended, signal: new AbortController().signal };
    for await (const piece of readRun(disk.place, {}, disk.parts, life)) {
      lines += piece.toString().split('\n').length - 1;
      disk.write(more);
    }
    expect(lines).to.equal(3000);
  });

  it('reads as little of a large log as of a small one for its last lines', async () => {
    const readFor = async (count: number): Promise<number> => {
      const disk = new LogDisk();
      const lines = Array.from({ length: count }, (_, index) => entryBytes(out(`line ${100_000 + index}`)));
      disk.write(Buffer.concat(lines));
      disk.rename();
      disk.reopen();
      disk.write(Buffer.concat(lines));
      const text = (await read(disk, { tailLines: 100 })).toString().split('\n');
      expect(text).to.have.length(101);
      expect([text[0], text.at(-2)]).to.deep.equal([
        `line ${100_000 + count - 100}`,
        `line ${100_000 + count - 1}`,
      ]);
      return disk.readBytes;
    };
    const small = await readFor(2000);
    expect(await readFor(50_000))
      .to.equal(small)
      .and.to.be.below(3 * 64 * 1024);
  });

  it('finds a time in a large log by a few looks', async () => {
    const disk = new LogDisk();
    const lines = Array.from({ length: 50_000 }, (_, index) => entryBytes(out(`line ${index}`, index)));
    disk.write(Buffer.concat(lines));
    const text = await read(disk, { sinceNs: out('', 49_950).timeNs });
    expect(text.toString().split('\n')).to.have.length(51);
    expect(text.toString()).to.match(/^line 49950\n/);
    expect(disk.readBytes).to.be.below(512 * 1024);
  });

  it('passes a line of 10 MB on as it comes, and never holds more than a block of it', async () => {
    const disk = new LogDisk();
    const part = { ...out(''), text: Buffer.alloc(8192, 'x') };
    const whole = Buffer.concat([
      ...Array.from({ length: 1280 }, () => entryBytes({ ...part, partial: true })),
      entryBytes(part),
    ]);
    disk.write(whole);
    const life = { ...ended, signal: new AbortController().signal };
    let sizeBytes = 0;
    let given = 0;
    for await (const piece of readRun(disk.place, { timestamps: true, tailLines: 1 }, disk.parts, life)) {
      if (given === 0) expect(piece.toString('latin1', 0, 40)).to.match(/^2023-\S+ xxxx/);
      given += 1;
      sizeBytes += piece.length;
      expect(piece.length).to.be.at.most(65 * 1024);
    }
    expect(sizeBytes).to.equal(36 + 1281 * 8192 + 1);
  });
});
