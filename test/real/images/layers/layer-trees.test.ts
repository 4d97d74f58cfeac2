import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { archiveOf } from '../../../images/layers/archive-builder.js';
import type { RandomArchive } from '../../../images/layers/random-archive.js';
import { randomArchive } from '../../../images/layers/random-archive.js';
import { LayerBench } from './layer-bench.js';
import type { EntryFacts } from './tree-snapshot.js';
import { snapshotOf } from './tree-snapshot.js';

const seed = Number(process.env['NODELET_SEED'] ?? 7);
const runs = Number(process.env['NODELET_RUNS'] ?? 15);
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** What a random archive says of an entry. */
const told = ({
  type,
  mode,
  owner,
  mtime,
  content,
  attributes,
}: EntryFacts): RandomArchive['expected'][string] => ({
  type,
  mode,
  owner,
  mtime,
  content,
  attribute: attributes['user.random'] ?? '',
});

describe('images: random layers (real file system)', () => {
  let bench: LayerBench;
  beforeEach(() => {
    bench = new LayerBench();
  });
  afterEach(() => bench.remove());

  it('become the folder that their archive tells of, whatever the order of entries', async () => {
    await fc.assert(
      fc.asyncProperty(randomArchive, fc.integer({ min: 1, max: 100_000 }), async (archive, pieceBytes) => {
        const tar = archiveOf(archive.entries);
        const { places, unpacked } = await bench.unpack(tar, {
          pieceBytes: tar.length > 500_000 ? 65_536 : pieceBytes,
        });
        const { '.': _, ...facts } = snapshotOf(places.folder);
        const links = archive.entries.filter(({ flag }) => flag === '1');
        for (const [name, { type }] of Object.entries(archive.expected)) {
          if (type === 'link') throw new Error(`${name} links to nothing`);
        }
        expect(
          Object.fromEntries(Object.entries(facts).map(([name, each]) => [name, told(each)])),
        ).to.deep.equal(archive.expected);
        for (const { name, linkName = '' } of links) {
          expect(facts[name]?.sameAs, 'one inode').to.equal(facts[linkName]?.sameAs).and.not.equal('');
        }
        expect(unpacked.diffId).to.equal(digestOf(tar));
        expect(await bench.digest(places), 'made again from the recipe').to.equal(unpacked.diffId);
      }),
      { seed, numRuns: runs },
    );
  });

  for (const format of ['pax', 'gnu'] as const) {
    it(`come back from an archive that GNU tar makes of their folder, in its format ${format}`, async () => {
      await fc.assert(
        fc.asyncProperty(randomArchive, async ({ entries }) => {
          // Of format gnu, tar keeps neither attributes nor parts of a second.
          const plain =
            format === 'pax'
              ? entries
              : entries.map(({ pax: { mtime: _, ...pax } = {}, ...rest }) => ({
                  ...rest,
                  pax: withoutAttributes(pax),
                }));
          const { places: source } = await bench.unpack(archiveOf(plain));
          const file = `${source.recipe}.tar`;
          const options = format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : [];
          execFileSync('tar', [
            `--format=${format}`,
            '--sparse',
            '--numeric-owner',
            ...options,
            '-cf',
            file,
            '-C',
            source.folder,
            '.',
          ]);
          const tar = fs.readFileSync(file);
          const { places, unpacked } = await bench.unpack(tar);
          const [got, wanted] = [snapshotOf(places.folder), snapshotOf(source.folder)];
          // The folder itself was given no time.
          if (format === 'gnu') for (const tree of [got, wanted]) delete tree['.'];
          expect(got).to.deep.equal(wanted);
          expect(unpacked.diffId).to.equal(digestOf(tar));
          expect((await bench.pack(places)).equals(tar), 'the same bytes again').to.equal(true);
        }),
        { seed, numRuns: Math.ceil(runs / 2) },
      );
    });
  }
});

const withoutAttributes = (pax: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(pax).filter(([key]) => !key.startsWith('SCHILY.')));
