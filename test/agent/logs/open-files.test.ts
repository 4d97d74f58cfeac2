import { expect } from 'chai';
import { readRun } from '../../../src/agent/logs/run-reader.js';
import type { RunReaderParts } from '../../../src/agent/logs/run-reader.js';
import { LogDisk } from './log-disk.js';

const line = (text: string): Buffer => Buffer.from(`2026-01-31T00:00:00Z stdout F ${text}\n`);

/** A log of four files on a disk whose call number `failing` fails; counts what is held open and watched. */
class BadDisk {
  readonly disk = new LogDisk();
  readonly parts: RunReaderParts;
  held = 0;
  calls = 0;

  constructor(failing: number) {
    const { files, fileReads } = this.disk.parts;
    for (const text of ['one', 'two', 'three']) {
      this.disk.write(line(text));
      this.disk.rename();
      this.disk.reopen();
    }
    this.disk.write(line('four'));
    this.disk.pack();
    const call = async <T>(made: () => Promise<T>): Promise<T> => {
      if (this.calls++ === failing) throw new Error('EIO');
      return made();
    };
    this.parts = {
      ...this.disk.parts,
      files: {
        list: (dir) => call(() => files.list(dir)),
        watch: (dir, changed) => {
          this.held += 1;
          const stop = files.watch(dir, changed);
          return () => {
            this.held -= 1;
            stop();
          };
        },
      },
      fileReads: {
        open: async (path) => {
          const file = await call(() => fileReads.open(path));
          if (file === undefined) return undefined;
          this.held += 1;
          return {
            ...file,
            size: () => call(() => file.size()),
            read: (range) => call(() => file.read(range)),
            close: () => {
              this.held -= 1;
              return file.close();
            },
          };
        },
      },
    };
  }

  /** Follows from the last line over one more rotation to the end; true where all of it went well. */
  async read(): Promise<boolean> {
    let ended = false;
    let changed: () => void = () => undefined;
    const life = {
      signal: new AbortController().signal,
      ended: () => ended,
      watch: (ring: () => void) => {
        this.held += 1;
        changed = ring;
        return () => (this.held -= 1);
      },
    };
    const { disk } = this;
    try {
      for await (const piece of readRun(disk.place, { tailLines: 3, follow: true }, this.parts, life)) {
        if (!piece.includes('four')) continue;
        disk.rename();
        disk.reopen();
        disk.pack();
        ended = true;
        changed();
      }
      return true;
    } catch (thrown) {
      expect(String(thrown)).to.contain('EIO');
      return false;
    }
  }
}

describe('a reader of a log on a disk that fails', () => {
  it('leaves no file open and no folder watched, whichever call it is that fails', async () => {
    const calm = new BadDisk(-1);
    expect(await calm.read()).to.equal(true);
    const left: string[] = [calm.held === 0 ? '' : `none: ${calm.held}`];
    for (let failing = 0; failing < calm.calls; failing += 1) {
      const bad = new BadDisk(failing);
      await bad.read();
      if (bad.held !== 0) left.push(`call ${failing}: ${bad.held}`);
    }
    expect(calm.calls).to.be.greaterThan(20);
    expect(left.filter((one) => one !== '')).to.deep.equal([]);
  });
});
