import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { NodeletError } from '../../../src/base/errors.js';
import { createProcesses } from '../../../src/host/processes.js';
import { LayerStore } from '../../../src/images/layer-store.js';

/** One entry of a hand-made tar: name as it stands in the archive, and a symlink's target. */
interface Entry {
  name: string;
  link?: string;
  text?: string;
}

/** ustar, so that hostile names survive that no tar program would write. */
function tarOf(entries: Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, link, text = '' }) => {
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write('0000755\0', 100);
    head.write('0000000\0', 108);
    head.write('0000000\0', 116);
    head.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
    head.write('00000000000\0', 136);
    head.write('        ', 148);
    head.write(link !== undefined ? '2' : name.endsWith('/') ? '5' : '0', 156);
    head.write(link ?? '', 157);
    head.write('ustar\0' + '00', 257);
    const sum = head.reduce((total, byte) => total + byte, 0);
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const body = Buffer.alloc(Math.ceil(text.length / 512) * 512);
    body.write(text);
    return [head, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

describe('images: unpacking layers (real tar and file system)', () => {
  let dir = '';
  beforeEach(() => (dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-layers-')))));
  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

  async function unpack(entries: Entry[]): Promise<string> {
    const layers = new LayerStore(path.join(dir, 'layers'), createProcesses());
    await layers.sweep();
    const tar = tarOf(entries);
    const digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
    const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: tar.length };
    await layers.ensure({ chainId: digest, diffId: digest, descriptor }, (file) =>
      fs.promises.writeFile(file, tar),
    );
    return layers.folder(digest);
  }

  async function refused(entries: Entry[]): Promise<void> {
    const error = await unpack(entries).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(NodeletError).and.include({ kind: 'corrupt' });
    expect(fs.readdirSync(path.join(dir, 'layers')), 'nothing of the layer is kept').to.deep.equal([]);
  }

  it('turns whiteouts and opaque folders into overlay form', async () => {
    const folder = await unpack([
      { name: 'etc/' },
      { name: 'etc/.wh.gone', text: '' },
      { name: 'opaque/' },
      { name: 'opaque/.wh..wh..opq' },
      { name: 'new/deep/.wh.lower' },
    ]);
    expect(fs.lstatSync(`${folder}/etc/gone`).isCharacterDevice()).to.equal(true);
    expect(fs.lstatSync(`${folder}/new/deep/lower`).isCharacterDevice()).to.equal(true);
    expect(
      execFileSync('getfattr', [
        '-n',
        'trusted.overlay.opaque',
        '--only-values',
        `${folder}/opaque`,
      ]).toString(),
    ).to.equal('y');
  });

  it('refuses a whiteout that climbs out of the layer, and makes nothing there', async () => {
    await refused([{ name: '../../escaped/.wh.x' }]);
    expect(fs.existsSync(path.join(dir, 'escaped'))).to.equal(false);
  });

  it('refuses a whiteout behind a symbolic link, and makes nothing at its target', async () => {
    const target = path.join(dir, 'outside');
    fs.mkdirSync(target);
    await refused([{ name: 'l', link: target }, { name: 'l/made/.wh.x' }]);
    expect(fs.readdirSync(target)).to.deep.equal([]);
  });

  it('refuses a whiteout that names no entry', async () => {
    await refused([{ name: 'a/' }, { name: 'a/.wh...' }]);
  });

  it('lets the entry of a layer win over a whiteout of the same layer', async () => {
    const folder = await unpack([{ name: 'a', text: 'kept' }, { name: '.wh.a' }]);
    expect(fs.readFileSync(`${folder}/a`, 'utf8')).to.equal('kept');
  });
});
