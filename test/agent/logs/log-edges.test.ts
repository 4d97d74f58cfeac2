import { expect } from 'chai';
import { visitBackwards } from '../../../src/agent/logs/entries-backwards.js';
import type { LogFile } from '../../../src/agent/logs/log-file.js';
import { blockBytes } from '../../../src/agent/logs/log-file.js';
import { LogRun, closeAll } from '../../../src/agent/logs/log-run.js';
import { sinceStart } from '../../../src/agent/logs/since-start.js';
import { readRun } from '../../../src/agent/logs/run-reader.js';
import type { LogOptions } from '../../../src/agent/logs/log-options.js';
import { LogDisk } from './log-disk.js';
import type { Entry } from './naive-log.js';
import { entryBytes } from './naive-log.js';

const entry = (text: string, second = 0, partial = false): Entry => ({
  timeNs: 1_700_000_000_000_000_000n + BigInt(second) * 1_000_000_000n,
  stream: 'stdout',
  partial,
  text: Buffer.from(text),
});

async function read(disk: LogDisk, options: LogOptions): Promise<string> {
  const life = { ended: () => true, watch: () => () => undefined, signal: new AbortController().signal };
  let text = '';
  for await (const piece of readRun(disk.place, options, disk.parts, life)) text += piece.toString();
  return text;
}

/** Hands out the files of a log for a look, and closes them. */
async function withFiles<T>(disk: LogDisk, use: (files: LogFile[]) => Promise<T>): Promise<T> {
  const files = await new LogRun(disk.place, disk.parts).open();
  try {
    return await use(files);
  } finally {
    await closeAll(files);
  }
}

describe('the last lines of a log', () => {
  it('are counted to the line over several packed files, also where a line goes on in the next one', async () => {
    for (const partial of [false, true]) {
      const disk = new LogDisk();
      const texts: string[] = [];
      for (let file = 0; file < 5; file += 1) {
        for (let line = 0; line < 3; line += 1) {
          const isSplit = partial && line === 2;
          disk.write(entryBytes(entry(`${file}.${line}`, 0, isSplit)));
          texts.push(`${file}.${line}${isSplit ? '' : '\n'}`);
        }
        disk.rename();
        disk.reopen();
      }
      for (let count = 0; count < 4; count += 1) disk.pack();
      const lines = texts.join('').split(/(?<=\n)/);
      expect(disk.names().filter((name) => name.endsWith('.gz'))).to.have.length(4);
      for (let wanted = 0; wanted <= lines.length + 1; wanted += 1)
        expect(await read(disk, { tailLines: wanted }), `the last ${wanted}`).to.equal(
          lines.slice(Math.max(0, lines.length - wanted)).join(''),
        );
    }
  });

  it('begin where they do when the head of one lies across the edge of a block, at each of its bytes', async () => {
    const first = entryBytes(entry('first'));
    const across = entryBytes(entry('across', 1, true));
    const headBytes = across.length - 'across\n'.length;
    for (let inBlock = -1; inBlock <= headBytes + 1; inBlock += 1) {
      const disk = new LogDisk();
      // The edge lies a block ahead of the end: so many bytes of the head are on the near side of it.
      const rest = blockBytes - across.length + (headBytes - inBlock);
      const frame = entryBytes(entry('')).length;
      const last = entryBytes(entry('z'.repeat(rest - frame), 2));
      disk.write(Buffer.concat([first, across, last]));
      const seen = await withFiles(disk, async ([file]) => {
        const entries: { position: number; endsLine: boolean }[] = [];
        if (file !== undefined)
          await visitBackwards(file, ({ position, endsLine }) => {
            entries.push({ position, endsLine });
            return false;
          });
        return entries;
      });
      expect(seen, `${inBlock} bytes of the head`).to.deep.equal([
        { position: first.length + across.length, endsLine: true },
        { position: first.length, endsLine: false },
        { position: 0, endsLine: true },
      ]);
    }
  });
});

describe('the beginning of what came since a time', () => {
  it('is looked for from the start of an entry, wherever the halves of the file end', async () => {
    for (const width of [1, 7, 40, 333, 3000]) {
      const disk = new LogDisk();
      const entries = Array.from({ length: 400 }, (_, second) => entry('y'.repeat(width), second)).map(
        entryBytes,
      );
      while (entries.length * (entries[0]?.length ?? 0) < 4 * blockBytes)
        entries.push(entryBytes(entry('y'.repeat(width), entries.length)));
      const begins = new Set<number>();
      let position = 0;
      for (const bytes of entries) {
        begins.add(position);
        position += bytes.length;
      }
      disk.write(Buffer.concat(entries));
      for (let second = 1; second < entries.length; second += Math.ceil(entries.length / 60)) {
        const sinceNs = entry('', second).timeNs;
        const start = await withFiles(disk, (files) => sinceStart(files, sinceNs));
        expect(begins.has(start.position), `${start.position}, of entries ${width} wide`).to.equal(true);
        const length = entries[0]?.length ?? 0;
        expect(entries.slice(0, second).reduce((sum, bytes) => sum + bytes.length, 0)).to.be.within(
          start.position,
          start.position + blockBytes + 2 * length + 64,
        );
      }
    }
  });
});
