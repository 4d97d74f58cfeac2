import { expect } from 'chai';
import fc from 'fast-check';
import type { LogOptions } from '../../../src/agent/logs/log-options.js';
import { readRun } from '../../../src/agent/logs/run-reader.js';
import { LogDisk } from './log-disk.js';
import { anyEntries, entryBytes, naiveText } from './naive-log.js';

/** A reader that follows a log in the background. */
class Follow {
  readonly pieces: Buffer[] = [];
  done = false;
  private ended = false;
  private changed: () => void = () => undefined;
  private readonly abort = new AbortController();

  constructor(
    readonly disk: LogDisk,
    options: LogOptions = {},
  ) {
    const life = {
      signal: this.abort.signal,
      ended: () => this.ended,
      watch: (changed: () => void) => {
        this.changed = changed;
        return () => (this.changed = () => undefined);
      },
    };
    void this.read(readRun(disk.place, { ...options, follow: true }, disk.parts, life));
  }

  private async read(text: AsyncGenerator<Buffer, void>): Promise<void> {
    for await (const piece of text) this.pieces.push(Buffer.from(piece));
    this.done = true;
  }

  get text(): Buffer {
    return Buffer.concat(this.pieces);
  }

  /** Lets everything that is under way come to rest. */
  async settle(ms = 5): Promise<void> {
    await this.disk.machine.clock.advance(ms);
  }

  hangUp(): void {
    this.abort.abort();
  }

  /** The run ends; resolves when the reader has ended as well. */
  async end(): Promise<void> {
    this.ended = true;
    this.changed();
    while (!this.done) await this.settle();
  }
}

const line = (text: string): Buffer => Buffer.from(`2026-01-31T00:00:00Z stdout F ${text}\n`);

describe('following the log of a run', () => {
  it('gives every line once and in order, whatever the rotation does between two writes', async () => {
    const anyStep = fc.constantFrom(
      'write',
      'write',
      'rename',
      'reopen',
      'rotate',
      'rotate',
      'pack',
      'packTorn',
      'settle',
    );
    await fc.assert(
      fc.asyncProperty(
        anyEntries,
        fc.array(anyStep, { minLength: 80, maxLength: 80 }),
        async (entries, steps) => {
          const disk = new LogDisk();
          const follow = new Follow(disk);
          const left = entries.map(entryBytes);
          for (const step of steps) {
            if (step === 'write') disk.write(left.shift() ?? Buffer.alloc(0));
            if (step === 'rename' || step === 'rotate') disk.rename();
            if (step === 'reopen' || step === 'rotate') disk.reopen();
            if (step === 'pack' || step === 'packTorn') disk.pack(step === 'packTorn');
            if (step === 'settle') await follow.settle();
          }
          for (const bytes of left) disk.write(bytes);
          await follow.end();
          expect(follow.text.equals(naiveText(entries, {}))).to.equal(true);
          expect(disk.warnings).to.deep.equal([]);
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
  }).timeout(120_000);

  it('shows a line as soon as it is there, told by the folder and not by a poll', async () => {
    const disk = new LogDisk();
    const follow = new Follow(disk);
    await follow.settle();
    disk.write(line('one'));
    await follow.settle(2);
    expect(follow.text.toString()).to.equal('one\n');
    await follow.end();
  });

  it('goes on over many rotations at once, from a file that was packed meanwhile', async () => {
    const disk = new LogDisk();
    disk.write(line('one'));
    const follow = new Follow(disk);
    await follow.settle();
    disk.write(line('two'));
    for (const text of ['three', 'four', 'five']) {
      disk.rename();
      disk.write(line(`before ${text}`));
      disk.reopen();
      disk.write(line(text));
    }
    disk.pack();
    disk.pack();
    await follow.end();
    expect(follow.text.toString().split('\n')).to.deep.equal([
      'one',
      'two',
      'before three',
      'three',
      'before four',
      'four',
      'before five',
      'five',
      '',
    ]);
    expect(disk.warnings).to.deep.equal([]);
  });

  it('says that files are missing when the rotation has removed what it was reading, and goes on', async () => {
    const disk = new LogDisk();
    disk.write(line('one'));
    const follow = new Follow(disk);
    await follow.settle();
    for (const text of ['two', 'three', 'four']) {
      disk.rename();
      disk.reopen();
      disk.write(line(text));
    }
    disk.drop();
    disk.drop();
    await follow.end();
    expect(follow.text.toString()).to.equal('one\nthree\nfour\n');
    expect(disk.warnings).to.deep.equal([
      'a reader of a log was overtaken by its rotation: files in between may be missing',
    ]);
  });

  it('begins anew with a file that was emptied by hand', async () => {
    const disk = new LogDisk();
    disk.write(line('one'));
    const follow = new Follow(disk);
    await follow.settle();
    const node = disk.machine.files.find(disk.path('0.log'));
    if (node?.kind === 'file') node.content = Buffer.alloc(0);
    disk.write(line('2'));
    await follow.end();
    expect(follow.text.toString()).to.equal('one\n2\n');
    expect(disk.warnings).to.have.length(1);
  });

  it('waits for a log that is not there yet', async () => {
    const disk = new LogDisk();
    const follow = new Follow(disk, { tailLines: 5 });
    await follow.settle();
    disk.write(line('one'));
    await follow.settle();
    expect(follow.text.toString()).to.equal('one\n');
    await follow.end();
  });

  it('ends when its reader hangs up, and when all bytes that were wanted have come', async () => {
    const disk = new LogDisk();
    const all = new Follow(disk);
    const some = new Follow(disk, { limitBytes: 5 });
    await all.settle();
    disk.write(line('one'));
    disk.write(line('two'));
    await all.settle();
    expect([some.text.toString(), some.done]).to.deep.equal(['one\nt', true]);
    expect(all.done).to.equal(false);
    all.hangUp();
    await all.settle();
    expect(all.done).to.equal(true);
  });
});
