import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { createFiles } from '../../src/host/files.js';
import { ContainerView } from '../../src/pods/mounts/container-view.js';
import type { CoveredPlace } from '../../src/pods/mounts/container-view.js';

describe('pods: where a path of a container leads', () => {
  let dir = '';
  let rootfs = '';
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-view-'));
    rootfs = `${dir}/rootfs`;
    for (const name of ['rootfs/usr/lib', 'rootfs/var', 'volume/inner']) {
      fs.mkdirSync(`${dir}/${name}`, { recursive: true });
    }
    fs.writeFileSync(`${rootfs}/usr/file`, '');
    fs.writeFileSync(`${dir}/volume/note`, '');
    const links = {
      lib: 'usr/lib',
      'var/run': '/run',
      up: '../../../../..',
      loop: 'loop',
      out: '/nowhere/x',
    };
    for (const [name, target] of Object.entries(links)) fs.symlinkSync(target, `${rootfs}/${name}`);
  });
  afterEach(() => fs.rmSync(dir, { recursive: true }));

  const locate = async (at: string, covered: CoveredPlace[] = []) => {
    const { path: place, stat, ...more } = await new ContainerView(createFiles(), rootfs, covered).locate(at);
    return { place, kind: stat?.kind, ...more };
  };

  it('is found in its root, and ends where nothing is yet', async () => {
    expect(await locate('/usr/lib')).to.deep.equal({ place: '/usr/lib', kind: 'dir' });
    expect(await locate('/usr/file')).to.deep.equal({ place: '/usr/file', kind: 'file' });
    expect(await locate('/usr/new/deep')).to.deep.equal({ place: '/usr/new/deep', kind: undefined });
    expect(await locate('/')).to.deep.equal({ place: '/', kind: 'dir' });
  });

  it('follows symlinks inside of the root alone, and tells of those that would leave it', async () => {
    expect(await locate('/lib/x')).to.deep.equal({ place: '/usr/lib/x', kind: undefined });
    expect(await locate('/var/run/x')).to.deep.equal({
      place: '/run/x',
      kind: undefined,
      escapesAt: '/var/run',
    });
    expect(await locate('/up/usr')).to.deep.equal({ place: '/usr', kind: 'dir', escapesAt: '/up' });
    expect(await locate('/up')).to.deep.equal({ place: '/', kind: 'dir', escapesAt: '/up' });
    expect(await locate('/out')).to.deep.equal({ place: '/nowhere/x', kind: undefined, escapesAt: '/out' });
  });

  it('stops at what is no folder, and at symlinks without an end', async () => {
    expect(await locate('/usr/file/x')).to.include({ place: '/usr/file/x', blockedBy: '/usr/file' });
    expect(await locate('/loop/x')).to.include({ blockedBy: '/loop' });
  });

  it('goes into what is mounted on the way, and under what is mounted at its end', async () => {
    const volume = { destination: '/usr', source: `${dir}/volume` };
    expect(await locate('/usr/inner', [volume])).to.deep.equal({ place: '/usr/inner', kind: 'dir' });
    expect(await locate('/usr/lib', [volume])).to.deep.equal({ place: '/usr/lib', kind: undefined });
    expect(await locate('/usr', [volume])).to.deep.equal({ place: '/usr', kind: 'dir' });
    const file = { destination: '/usr/note', source: `${dir}/volume/inner` };
    expect(await locate('/usr/note', [volume, file])).to.deep.equal({ place: '/usr/note', kind: 'file' });
  });

  it("knows nothing of the kernel's own files", async () => {
    const proc = { destination: '/usr', source: undefined };
    expect(await locate('/usr/file', [proc])).to.deep.equal({ place: '/usr/file', kind: undefined });
  });
});
