import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { createMounts } from '../../../../src/host/mounts.js';
import { archiveOf, dir, file, link, symlink } from '../../../images/layers/archive-builder.js';
import { randomArchive } from '../../../images/layers/random-archive.js';
import { LayerBench } from './layer-bench.js';
import type { EntryFacts } from './tree-snapshot.js';
import { snapshotOf } from './tree-snapshot.js';

/** A layer of the files of a Debian package that is installed. */
function packageLayer(name: string): Buffer {
  const listed = execFileSync('dpkg', ['-L', name], { encoding: 'utf8' }).trimEnd().split('\n');
  // The package says /bin, which is a link to usr/bin: builders record where files really are, with the folders above.
  const real = listed.map((at) => path.join(fs.realpathSync(path.dirname(at)), path.basename(at)).slice(1));
  const above = real.flatMap((at) => at.split('/').map((_, index, parts) => parts.slice(0, index).join('/')));
  const files = [...new Set([...above, ...real])]
    .filter((at) => at !== '')
    .sort()
    .join('\n');
  return execFileSync('tar', ['--no-recursion', '--numeric-owner', '--xattrs', '-c', '-T', '-'], {
    input: files,
    cwd: '/',
    maxBuffer: 1e9,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1');
const base = archiveOf([
  dir('.', { mode: 0o755, mtime: 1_500_000_000 }),
  dir('etc', { mtime: 1_500_000_001 }),
  file('etc/gone', 'x'),
  file('etc/kept', 'x', { mtime: 1_500_000_002, uid: 12, gid: 34, mode: 0o640 }),
  dir('opq', { mtime: 1_500_000_001 }),
  file('opq/below', 'x'),
  dir('became-file', { mtime: 5 }),
  file('became-file/inside', 'x'),
  file('became-dir', 'x'),
  dir('tmp', { mode: 0o1777, mtime: 7 }),
  file('su', 'x', { mode: 0o4755, mtime: 8 }),
  file('ping', 'x', { mtime: 8, pax: { 'SCHILY.xattr.security.capability': capability } }),
  file('user', 'x', { mtime: 8, pax: { 'SCHILY.xattr.user.note': 'hello' } }),
  link('su-too', 'su'),
  symlink('sh', '/bin/busybox', { mtime: 9 }),
  { name: 'pipe', flag: '6', mode: 0o600, mtime: 10 },
  { name: 'null', flag: '3', mode: 0o666, device: [1, 3], mtime: 11 },
  { name: 'disk', flag: '4', mode: 0o660, device: [8, 0], mtime: 11 },
]);
const change = archiveOf([
  dir('etc', { mtime: 1_600_000_000, mode: 0o700 }),
  file('etc/.wh.gone'),
  file('etc/new', 'new', { mtime: 1_600_000_001 }),
  dir('opq', { mtime: 1_600_000_002 }),
  file('opq/.wh..wh..opq'),
  file('opq/above', 'x', { mtime: 3 }),
  file('became-file', 'now a file', { mtime: 4 }),
  file('.wh.became-dir'),
  dir('became-dir', { mtime: 6 }),
  file('became-dir/inside', 'x', { mtime: 5 }),
]);

describe('images: the root of an image, beside the one that umoci unpacks (real file system)', () => {
  const mounts = createMounts();
  let bench: LayerBench;
  beforeEach(() => {
    bench = new LayerBench();
  });
  afterEach(() => bench.remove());

  function umociRoot(layers: readonly Buffer[]): string {
    const image = `${bench.dir}/oci`;
    const umoci = (...args: string[]): void =>
      void execFileSync('umoci', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    umoci('init', '--layout', image);
    umoci('new', '--image', `${image}:test`);
    layers.forEach((layer, index) => {
      fs.writeFileSync(`${bench.dir}/layer-${index}.tar`, layer);
      umoci('raw', 'add-layer', '--image', `${image}:test`, `${bench.dir}/layer-${index}.tar`);
    });
    umoci('unpack', '--image', `${image}:test`, `${bench.dir}/bundle`);
    return `${bench.dir}/bundle/rootfs`;
  }

  /** What a container of these layers sees. */
  async function mergedFacts(layers: readonly Buffer[]): Promise<Record<string, EntryFacts>> {
    const folders: string[] = [];
    for (const layer of layers) folders.unshift((await bench.unpack(layer)).places.folder);
    const [target, upper, work] = ['merged', 'upper', 'work'].map((name) => `${bench.dir}/${name}`) as [
      string,
      string,
      string,
    ];
    for (const each of [target, upper, work]) fs.mkdirSync(each);
    // The upper folder is the root that is seen: a snapshot's own is made likewise.
    await mounts.overlay({ target, lowers: folders, upper, work });
    try {
      return snapshotOf(target);
    } finally {
      await mounts.unmount(target);
    }
  }

  async function expectEqual(layers: readonly Buffer[]): Promise<void> {
    const wanted = snapshotOf(umociRoot(layers));
    const got = await mergedFacts(layers);
    // The root itself is the snapshot's own.
    delete wanted['.'];
    delete got['.'];
    expect(Object.keys(got)).to.deep.equal(Object.keys(wanted));
    for (const [name, facts] of Object.entries(got)) expect(facts, name).to.deep.equal(wanted[name]);
  }

  it('is the same for all kinds of entries, and whiteouts over them', () => expectEqual([base, change]));

  it('is the same for packages of Debian', () =>
    expectEqual(['attr', 'busybox-static', 'tar'].map(packageLayer)));

  it('is the same for random layers', async () => {
    const layers = fc
      .sample(randomArchive, { seed: 11, numRuns: 3 })
      .map(({ entries }) => archiveOf(entries.filter(({ flag }) => flag !== 'S' && flag !== '1')));
    await expectEqual(layers.slice(0, 1));
  });
});
