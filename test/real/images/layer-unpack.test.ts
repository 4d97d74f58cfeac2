import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { createLayerArchives } from '../../../src/host/layers/layer-archives.js';
import type { LayerSurvey } from '../../../src/images/layers/layer-unpack.js';
import { unpackLayer } from '../../../src/images/layers/layer-unpack.js';
import { defaultLayerLimits } from '../../../src/spec/config/layer-limits-config.js';
import { failureOf } from './image-world.js';
import type { TarEntry } from './registry-double.js';
import { digestOf, tarOf } from './registry-double.js';

const attribute = (file: string, name: string): string =>
  execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', name, file], { encoding: 'latin1' });
const hasAttribute = (file: string, name: string): boolean =>
  execFileSync('getfattr', ['--absolute-names', '--match=-', '-d', file], { encoding: 'utf8' }).includes(
    name,
  );

describe('images: unpacking layers (real tar and file system)', () => {
  let dir = '';
  let folder = '';
  beforeEach(() => {
    dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-layers-')));
    folder = path.join(dir, 'store', 'layer');
    fs.mkdirSync(folder, { recursive: true });
  });
  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

  function unpackTar(tar: Buffer, diffId = digestOf(tar)): Promise<LayerSurvey> {
    const descriptor = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: digestOf(tar),
      sizeBytes: tar.length,
    };
    const places = { folder, recipe: path.join(dir, 'recipe'), displaced: path.join(dir, 'displaced') };
    fs.rmSync(places.recipe, { force: true });
    const signal = new AbortController().signal;
    const chunks = Readable.from([tar]);
    return unpackLayer(
      { chunks, places, descriptor, diffId, signal, limits: defaultLayerLimits },
      { layerArchives: createLayerArchives() },
    );
  }
  const unpack = (entries: TarEntry[]): Promise<LayerSurvey> => unpackTar(tarOf(entries));

  async function refused(entries: TarEntry[]): Promise<void> {
    const error = await failureOf(unpack(entries));
    expect(error).to.include({ kind: 'corrupt', field: 'manifest.layers' });
    expect(error.remedy).to.be.a('string');
    expect(fs.readdirSync(dir).sort(), 'nothing was made outside of the layer').to.deep.equal(
      ['outside', 'recipe', 'store'].filter((name) => fs.existsSync(path.join(dir, name))),
    );
    expect(fs.readdirSync(path.join(dir, 'store'))).to.deep.equal(['layer']);
  }

  it('turns whiteouts and opaque folders into overlay form', async () => {
    await unpack([
      { name: 'etc/' },
      { name: 'etc/.wh.gone' },
      { name: './.wh.top' },
      { name: 'opaque/' },
      { name: 'opaque/.wh..wh..opq' },
      { name: 'new/deep/.wh.lower' },
      { name: 'a\nb/' },
      { name: 'a\nb/.wh.c' },
      { name: '.wh..wh.plnk' },
    ]);
    for (const whiteout of ['etc/gone', 'top', 'new/deep/lower', 'a\nb/c']) {
      const stat = fs.lstatSync(`${folder}/${whiteout}`);
      expect(stat.isCharacterDevice(), whiteout).to.equal(true);
      expect(stat.rdev).to.equal(0);
    }
    expect(attribute(`${folder}/opaque`, 'trusted.overlay.opaque')).to.equal('y');
    expect(fs.readdirSync(folder).sort()).to.deep.equal(['a\nb', 'etc', 'new', 'opaque', 'top']);
  });

  it('lets the entry of a layer win over a whiteout of the same layer', async () => {
    await unpack([{ name: 'a', text: 'kept' }, { name: '.wh.a' }]);
    expect(fs.readFileSync(`${folder}/a`, 'utf8')).to.equal('kept');
  });

  it('keeps setuid, file capabilities, links and devices', async () => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1');
    await unpack([
      { name: 'su', text: 'x', mode: 0o4755 },
      { name: 'ping', text: 'x', pax: { 'SCHILY.xattr.security.capability': capability } },
      { name: 'again', type: 'link', target: 'su' },
      { name: 'out', type: 'symlink', target: '/etc/passwd' },
      { name: 'up', type: 'symlink', target: '../../etc/passwd' },
      { name: 'null', type: 'char' },
    ]);
    expect(fs.statSync(`${folder}/su`).mode & 0o7777).to.equal(0o4755);
    expect(fs.statSync(`${folder}/again`).ino).to.equal(fs.statSync(`${folder}/su`).ino);
    expect(attribute(`${folder}/ping`, 'security.capability')).to.equal(capability);
    expect(fs.readlinkSync(`${folder}/out`)).to.equal('/etc/passwd');
    expect(fs.readlinkSync(`${folder}/up`)).to.equal('../../etc/passwd');
    expect(fs.lstatSync(`${folder}/null`).isCharacterDevice()).to.equal(true);
  });

  it("leaves out overlay's own attributes, by which a layer could redirect others", async () => {
    await unpack([
      {
        name: 'd/',
        pax: { 'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.user.kept': 'yes' },
      },
    ]);
    expect(attribute(`${folder}/d`, 'user.kept')).to.equal('yes');
    expect(hasAttribute(`${folder}/d`, 'trusted.overlay')).to.equal(false);
  });

  it('puts absolute names inside', async () => {
    const name = `${dir}/outside-file`;
    await unpack([{ name, text: 'x' }]);
    expect(fs.existsSync(name)).to.equal(false);
    expect(fs.readFileSync(`${folder}${name}`, 'utf8')).to.equal('x');
  });

  it('refuses names and hard links that climb out', async () => {
    await refused([{ name: '../escaped', text: 'x' }]);
    await refused([{ name: 'a/../../escaped', text: 'x' }]);
    await refused([{ name: 'link', type: 'link', target: '../../outside' }]);
    await refused([{ name: '../../escaped/.wh.x' }]);
  });

  it('makes no hard link to a file of the host', async () => {
    const outside = path.join(dir, 'outside');
    fs.writeFileSync(outside, 'secret');
    await refused([{ name: 'link', type: 'link', target: outside }]);
    expect(fs.statSync(outside).nlink).to.equal(1);
  });

  it('writes nothing through symbolic links that lead out, and makes no whiteout behind them', async () => {
    const outside = path.join(dir, 'outside');
    fs.mkdirSync(outside);
    await refused([
      { name: 'l', type: 'symlink', target: outside },
      { name: 'l/file', text: 'x' },
    ]);
    await refused([
      { name: 'm', type: 'symlink', target: '../../outside' },
      { name: 'm/file', text: 'x' },
    ]);
    await refused([{ name: 'n', type: 'symlink', target: outside }, { name: 'n/made/.wh.x' }]);
    await refused([
      { name: 'o', type: 'symlink', target: outside },
      { name: 'p', type: 'link', target: 'o' },
      { name: 'p/file', text: 'x' },
    ]);
    expect(fs.readdirSync(outside)).to.deep.equal([]);
  });

  it('refuses a whiteout that names no entry, and entries below one', async () => {
    await refused([{ name: 'a/' }, { name: 'a/.wh...' }]);
    await refused([{ name: 'a/.wh.' }]);
    await refused([{ name: '.wh.dir/file', text: 'x' }]);
  });

  it('refuses what is no archive, or ends within one', async () => {
    expect(await failureOf(unpackTar(Buffer.alloc(2048, 'x')))).to.include({ kind: 'corrupt' });
    const whole = tarOf([{ name: 'file', text: 'y'.repeat(5000) }]);
    expect(await failureOf(unpackTar(whole.subarray(0, 2000)))).to.include({ kind: 'corrupt' });
  });

  it('refuses a layer that is not what its diff id says', async () => {
    const error = await failureOf(unpackTar(tarOf([{ name: 'a' }]), digestOf('other')));
    expect(error).to.include({ kind: 'corrupt', field: 'config.rootfs.diff_ids' });
  });

  it('tells what a layer takes on the disk', async () => {
    const survey = await unpack([
      { name: './' },
      { name: 'd/' },
      { name: 'd/large', text: 'z'.repeat(100_000) },
      { name: 'd/small', text: 'z' },
      { name: 'd/again', type: 'link', target: 'd/large' },
      { name: 'd/sym', type: 'symlink', target: 'large' },
    ]);
    const onDisk = execFileSync('du', ['--block-size=1', '-s', folder, `${dir}/recipe`], { encoding: 'utf8' })
      .trimEnd()
      .split('\n')
      .reduce((sum, line) => sum + Number(line.split('\t')[0]), 0);
    expect(survey.diskBytes).to.equal(onDisk);
    expect(survey.inodes, 'the recipe is one').to.equal(6);
  });
});
