import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import zlib from 'node:zlib';
import { expect } from 'chai';
import type { LayerPlaces } from '../../../../src/ports/layer-archives.js';
import { archiveOf, builtEntry, dir, file, link, symlink } from '../../../images/layers/archive-builder.js';
import { failureOf } from '../image-world.js';
import { LayerBench } from './layer-bench.js';
import { snapshotOf } from './tree-snapshot.js';

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const zstd = (bytes: Buffer): Buffer => execFileSync('zstd', ['-q', '-c'], { input: bytes, maxBuffer: 1e9 });
const opaque = { 'trusted.overlay.opaque': '0x79' };
const whiteout = { type: 'char', content: 'device 0:0' };

describe('images: odd layers (real file system)', () => {
  let bench: LayerBench;
  beforeEach(() => {
    bench = new LayerBench();
  });
  afterEach(() => bench.remove());

  /** Unpacks an archive, and asserts that it can be had again to the byte. */
  async function unpack(tar: Buffer, bytes = tar, pieceBytes?: number): Promise<LayerPlaces> {
    const { places, unpacked } = await bench.unpack(bytes, pieceBytes === undefined ? {} : { pieceBytes });
    expect(unpacked.diffId).to.equal(digestOf(tar));
    expect((await bench.pack(places)).equals(tar), 'the same bytes again').to.equal(true);
    expect(await bench.digest(places)).to.equal(unpacked.diffId);
    return places;
  }
  const read = ({ folder }: LayerPlaces, name: string): string =>
    fs.readFileSync(`${folder}/${name}`, 'utf8');

  it('let the last of several entries of one name win, and remember those before', async () => {
    const places = await unpack(
      archiveOf([
        file('f', 'first'),
        file('f', 'second'),
        file('f', 'third'),
        symlink('was-link', 'f'),
        file('was-link', 'file'),
        file('was-file', 'content'),
        symlink('was-file', 'f'),
        dir('d', { mode: 0o700 }),
        file('d/kept', 'kept'),
        dir('d', { mode: 0o750 }),
      ]),
    );
    expect([read(places, 'f'), read(places, 'was-link'), read(places, 'd/kept')]).to.deep.equal([
      'third',
      'file',
      'kept',
    ]);
    const facts = snapshotOf(places.folder);
    expect(facts['was-file']).to.include({ type: 'symlink', content: 'f' });
    expect(facts['d']).to.include({ mode: '750' });
  });

  it('replace folders by files and the reverse, and remember what was in them', async () => {
    const places = await unpack(
      archiveOf([
        dir('d'),
        file('d/a', 'in the folder'),
        dir('d/e'),
        file('d/e/b', 'deeper'),
        link('d/e/c', 'd/a'),
        file('d', 'now a file'),
        file('d', 'and another'),
        dir('d'),
        file('d/a', 'a folder again'),
      ]),
    );
    expect(Object.keys(snapshotOf(places.folder))).to.deep.equal(['.', 'd', 'd/a']);
    expect(read(places, 'd/a')).to.equal('a folder again');
  });

  it('follow symbolic links of the layer, absolute ones from its root', async () => {
    const places = await unpack(
      archiveOf([
        dir('usr/lib'),
        symlink('lib', 'usr/lib'),
        file('lib/one', '1'),
        symlink('lib64', '/usr/lib'),
        file('lib64/two', '2'),
        symlink('usr/up', '../../../../usr'),
        file('usr/up/three', '3'),
        symlink('sbin', 'usr/sbin'),
        file('sbin/four', '4'),
      ]),
    );
    expect(fs.readdirSync(`${places.folder}/usr/lib`).sort()).to.deep.equal(['one', 'two']);
    expect(read(places, 'usr/three')).to.equal('3');
    expect(read(places, 'usr/sbin/four'), 'in a folder that came with it').to.equal('4');
    expect(fs.readlinkSync(`${places.folder}/lib64`)).to.equal('/usr/lib');
  });

  it('remember content by where it is, when links on the way have changed', async () => {
    const places = await unpack(
      archiveOf([
        dir('one'),
        dir('two'),
        symlink('l', 'one'),
        file('l/f', 'in one'),
        symlink('l', 'two'),
        file('l/f', 'in two'),
        dir('l'),
        file('l/f', 'in l itself'),
      ]),
    );
    expect(['one/f', 'two/f', 'l/f'].map((name) => read(places, name))).to.deep.equal([
      'in one',
      'in two',
      'in l itself',
    ]);
  });

  it('hide what is below by whiteouts, before or behind their siblings', async () => {
    const places = await unpack(
      archiveOf([
        file('.wh.kept'),
        file('kept', 'x'),
        file('.wh.new-dir'),
        dir('new-dir'),
        dir('old-dir'),
        file('old-dir/f', 'x'),
        file('.wh.old-dir'),
        file('.wh.made'),
        file('made/f', 'x'),
        file('also', 'x'),
        file('.wh.also'),
        file('.wh.gone', 'a whiteout with data'),
        dir('opq'),
        file('opq/before', 'x'),
        file('opq/.wh..wh..opq'),
        file('opq/behind', 'x'),
        file('missing/.wh..wh..opq'),
        file('.wh.late'),
        link('late', 'also'),
        file('.wh..wh.aufs'),
        dir('.wh..wh.plnk'),
        file('.wh..wh.plnk/1.2', 'of AUFS'),
      ]),
    );
    const facts = snapshotOf(places.folder);
    expect(facts['gone']).to.include(whiteout);
    expect(facts['kept']).to.include({ type: 'file' });
    expect(facts['also']).to.include({ type: 'file' });
    expect(facts['late']).to.include({ type: 'file', sameAs: 'also' });
    for (const name of ['new-dir', 'old-dir', 'made', 'opq', 'missing']) {
      expect(facts[name]?.attributes, name).to.deep.equal(opaque);
    }
    expect(Object.keys(facts).filter((name) => name.includes('.wh.'))).to.deep.equal([]);
    expect(Object.keys(facts)).to.include.members(['opq/before', 'opq/behind', 'old-dir/f', 'made/f']);
  });

  it('keep attributes but for those that are the host’s to give', async () => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1');
    const pax = {
      'SCHILY.xattr.security.capability': capability,
      'SCHILY.xattr.user.zero\u00ff': 'a\0b',
      'SCHILY.xattr.trusted.kept': 'yes',
      'SCHILY.xattr.trusted.overlay.redirect': '/etc',
      'SCHILY.xattr.security.ima': 'x',
      'SCHILY.xattr.security.selinux': 'x',
      'LIBARCHIVE.creationtime': '1',
    };
    const tar = archiveOf([file('f', 'x', { pax, uid: 5 })]);
    const { unpacked } = await bench.unpack(tar);
    const places = await unpack(tar);
    const attributes = snapshotOf(places.folder)['f']?.attributes ?? {};
    expect(Object.keys(attributes).sort())
      .to.have.lengthOf(3)
      .and.include.members(['security.capability', 'trusted.kept']);
    expect(attributes['security.capability']).to.equal(
      `0x${Buffer.from(capability, 'latin1').toString('hex')}`,
    );
    expect(unpacked.droppedAttributes).to.deep.equal([
      'trusted.overlay.redirect',
      'security.ima',
      'security.selinux',
    ]);
  });

  it("give the layer's root and implied folders what they are to have", async () => {
    const places = await unpack(
      archiveOf([
        file('a/b/f', 'x'),
        { name: './', flag: '5', mode: 0o1750, uid: 3, gid: 4, mtime: 1_000_000 },
      ]),
    );
    const facts = snapshotOf(places.folder);
    expect(facts['.']).to.include({ mode: '1750', owner: '3:4', mtime: '1000000000000000' });
    expect(facts['a/b']).to.include({ type: 'dir', mode: '755', owner: '0:0' });
    const bare = snapshotOf((await unpack(archiveOf([file('f', 'x')]))).folder);
    expect(bare['.']).to.include({ mode: '755', owner: '0:0' });
  });

  it('link to files that come later, also in chains', async () => {
    const places = await unpack(
      archiveOf([link('a', 'b'), link('b', 'd/c'), link('x/y', 'a'), file('d/c', 'x')]),
    );
    const facts = snapshotOf(places.folder);
    expect(['a', 'b', 'd/c', 'x/y'].map((name) => facts[name]?.sameAs)).to.deep.equal(['a', 'a', 'a', 'a']);
  });

  it('have times before 1970, devices of large numbers, empty and absolute names', async () => {
    const places = await unpack(
      archiveOf([
        file('old', 'x', { mtime: -86_400 }),
        file('older', 'x', { pax: { mtime: '-1.25' } }),
        file('/etc/passwd', 'x'),
        file('.//./b/', '', { flag: '0' }),
        { name: 'tty', flag: '3', device: [4095, 1_048_575], mode: 0o666 },
      ]),
    );
    const facts = snapshotOf(places.folder);
    expect(facts['old']?.mtime).to.equal('-86400000000000');
    expect(facts['older']?.mtime).to.equal('-1250000000');
    expect(facts['etc/passwd']).to.include({ type: 'file' });
    expect(facts['b']).to.include({ type: 'dir' });
    expect(facts['tty']).to.include({ type: 'char', mode: '666', content: 'device 4095:1048575' });
  });

  it('may have sparse files in the forms 0.0 and 0.1, or be of the oldest format', async () => {
    const content = 'abcdef';
    const first = { 'GNU.sparse.size': '10000', 'GNU.sparse.map': '100,3,5000,3' };
    const tar = archiveOf([
      file('sparse-1', content, { pax: first }),
      file('seventh', 'edition', { format: 'v7' }),
      { name: 'folder/', flag: '\0', format: 'v7', mode: 0o700 },
    ]);
    const places = await unpack(tar);
    const wanted = Buffer.alloc(10_000);
    wanted.write('abc', 100);
    wanted.write('def', 5000);
    expect(fs.readFileSync(`${places.folder}/sparse-1`).equals(wanted)).to.equal(true);
    expect(read(places, 'seventh')).to.equal('edition');
    expect(snapshotOf(places.folder)['folder']).to.include({ type: 'dir', mode: '700' });
  });

  it('may have anything behind their end, or no end mark at all', async () => {
    await unpack(Buffer.concat([archiveOf([file('f', 'x')]), Buffer.from('not even a block')]));
    await unpack(Buffer.concat([archiveOf([file('f', 'x')]), archiveOf([file('never', 'x')])]));
    await unpack(builtEntry(file('f', 'x')));
    const nothing = await unpack(Buffer.alloc(0));
    expect(fs.readdirSync(nothing.folder)).to.deep.equal([]);
  });

  it('set global headers aside, as other runtimes do', async () => {
    const places = await unpack(
      archiveOf([{ name: 'g', flag: 'g', content: Buffer.from('11 uid=123\n') }, file('f', 'x', { uid: 7 })]),
    );
    expect(snapshotOf(places.folder)['f']).to.include({ owner: '7:0' });
  });

  const tar = archiveOf([file('large', Buffer.alloc(700_000, 'layer')), file('small', 'x'), dir('d')]);
  const half = 300_000;
  for (const [what, bytes] of [
    ['gzip', zlib.gzipSync(tar)],
    [
      'gzip with a name and a comment',
      Buffer.concat([
        Buffer.from('1f8b0808000000000003', 'hex'),
        Buffer.from('name\0'),
        zlib.deflateRawSync(tar),
        crcOf(tar),
      ]),
    ],
    [
      'several members of gzip',
      Buffer.concat([
        zlib.gzipSync(tar.subarray(0, half)),
        zlib.gzipSync(Buffer.alloc(0)),
        zlib.gzipSync(tar.subarray(half)),
      ]),
    ],
    ['gzip with zeros behind', Buffer.concat([zlib.gzipSync(tar), Buffer.alloc(1000)])],
    ['gzip with garbage behind', Buffer.concat([zlib.gzipSync(tar), Buffer.from('garbage')])],
    ['gzip of what does not get smaller', zlib.gzipSync(tar, { level: 0 })],
    ['zstd', zstd(tar)],
    [
      'several frames of zstd, one to be skipped',
      Buffer.concat([
        zstd(tar.subarray(0, half)),
        Buffer.from('502a4d1804000000abcdabcd', 'hex'),
        zstd(tar.subarray(half)),
      ]),
    ],
    [
      'zstd that begins with a frame to be skipped',
      Buffer.concat([Buffer.from('5f2a4d1800000000', 'hex'), zstd(tar)]),
    ],
  ] as const) {
    it(`come as ${what}, in pieces of any size`, async () => {
      for (const pieceBytes of [1 << 20, 4093, bytes.length > 20_000 ? 511 : 1]) {
        const places = await unpack(tar, bytes, pieceBytes);
        expect(fs.statSync(`${places.folder}/large`).size).to.equal(700_000);
      }
    });
  }

  it('are told to be damaged by the name of the file that is lost, cut, grown or changed', async () => {
    const good = archiveOf([file('a', 'aaaa'), file('d/b', 'bbbb')]);
    for (const [spoil, why] of [
      [(f: string) => fs.rmSync(`${f}/d/b`), 'd/b" is not there'],
      [(f: string) => fs.truncateSync(`${f}/d/b`, 2), 'd/b" has 2 bytes, not 4'],
      [(f: string) => fs.appendFileSync(`${f}/d/b`, 'x'), 'd/b" has 5 bytes, not 4'],
      [
        (f: string) => {
          fs.rmSync(`${f}/d/b`);
          fs.symlinkSync('/etc/passwd', `${f}/d/b`);
        },
        'd/b" is not there',
      ],
    ] as const) {
      const places = await unpack(good);
      spoil(places.folder);
      const error = await failureOf(bench.digest(places));
      expect(error.message).to.include(why);
      expect(error).to.include({ kind: 'corrupt' });
      expect(await failureOf(bench.pack(places))).to.include({ kind: 'corrupt' });
    }
    const places = await unpack(good);
    fs.writeFileSync(`${places.folder}/a`, 'AAAA');
    expect(await bench.digest(places)).to.not.equal(digestOf(good));
    for (const bytes of [0, 30, fs.statSync(places.recipe).size - 3]) {
      const copy = { ...places, recipe: `${places.recipe}.${bytes}` };
      fs.writeFileSync(copy.recipe, fs.readFileSync(places.recipe).subarray(0, bytes));
      expect(await failureOf(bench.digest(copy)), `a recipe of ${bytes} bytes`).to.include({
        kind: 'corrupt',
      });
    }
  });

  it('end early without a trace when who takes their archive has enough', async () => {
    const { places } = await bench.unpack(archiveOf([file('large', Buffer.alloc(20_000_000, 'x'))]));
    const first = await bench.first(places);
    expect(first.length).to.be.greaterThan(0);
    expect(await bench.digest(places)).to.match(/^sha256:/);
  });
});

/** gzip's trailer. */
function crcOf(bytes: Buffer): Buffer {
  return zlib.gzipSync(bytes).subarray(-8);
}
