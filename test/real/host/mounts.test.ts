import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { createMounts } from '../../../src/host/mounts.js';
import { createNamespaces } from '../../../src/host/namespaces.js';

const mounts = createMounts();

/** Options of the mount itself (`rw,nosuid`), not of its file system: proc(5), mountinfo. */
function optionsOf(target: string): string[] {
  const lines = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return (
    lines
      .find((line) => line.split(' ')[4] === target)
      ?.split(' ')[5]
      ?.split(',') ?? []
  );
}

describe('host: mounts (real kernel)', () => {
  let dir = '';
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-mounts-'));
  });
  afterEach(async () => {
    for (const { target } of (await mounts.list(dir)).toReversed()) await mounts.unmount(target);
    expect(await mounts.list(dir)).to.deep.equal([]);
    fs.rmSync(dir, { recursive: true });
  });

  const makeOverlay = async (root: string, layers: number) => {
    const names = Array.from({ length: layers }, (_, index) => `${index}`.padStart(64, '0'));
    for (const [index, name] of names.entries()) {
      fs.mkdirSync(`${root}/layers/${name}`, { recursive: true });
      fs.writeFileSync(`${root}/layers/${name}/of-${index}`, '');
      fs.writeFileSync(`${root}/layers/${name}/in-all`, `${index}`);
    }
    for (const name of ['upper', 'work', 'merged']) fs.mkdirSync(`${root}/${name}`);
    const lowers = names.map((name) => `${root}/layers/${name}`);
    await mounts.overlay({ target: `${root}/merged`, lowers, upper: `${root}/upper`, work: `${root}/work` });
  };

  for (const layers of [1, 60, 130, 200]) {
    it(`lays ${layers} layers over each other, the first on top`, async () => {
      await makeOverlay(dir, layers);
      const names = fs.readdirSync(`${dir}/merged`);
      expect(names)
        .to.have.length(layers + 1)
        .and.to.include.members(['of-0', `of-${layers - 1}`]);
      expect(fs.readFileSync(`${dir}/merged/in-all`, 'utf8')).to.equal('0');
      fs.writeFileSync(`${dir}/merged/written`, '');
      expect(fs.readdirSync(`${dir}/upper`)).to.deep.equal(['written']);
    });
  }

  it('takes folders whose names mean something in mount options', async () => {
    const root = `${dir}/a:b,c\\d`;
    fs.mkdirSync(root);
    await makeOverlay(root, 2);
    fs.writeFileSync(`${root}/merged/written`, '');
    expect(fs.readdirSync(`${root}/merged`)).to.have.members(['in-all', 'of-0', 'of-1', 'written']);
    expect((await mounts.list(dir)).map(({ target }) => target)).to.deep.equal([`${root}/merged`]);
    await mounts.unmount(`${root}/merged`);
  });

  it('says which overlay the kernel refuses', async () => {
    const overlay = { target: dir, lowers: [`${dir}/none`], upper: `${dir}/u`, work: `${dir}/w` };
    const refusal = await mounts.overlay(overlay).catch((thrown: unknown) => thrown);
    expect(refusal).to.include({ kind: 'tool-failed' });
    expect(refusal).to.have.property('message').that.includes(dir).and.includes('ENOENT');
  });

  it('keeps nosuid, nodev and noexec of what it binds read-only', async () => {
    for (const name of ['from', 'to']) fs.mkdirSync(`${dir}/${name}`);
    await mounts.tmpfs(`${dir}/from`, { sizeBytes: 0, mode: 0o755 });
    await mounts.bind(`${dir}/from`, `${dir}/to`, { readOnly: true });
    expect(optionsOf(`${dir}/to`)).to.include.members(['ro', 'nosuid', 'nodev', 'noexec']);
    expect(() => fs.writeFileSync(`${dir}/to/file`, '')).to.throw('EROFS');
    fs.writeFileSync(`${dir}/from/file`, '');
    expect(fs.readdirSync(`${dir}/to`)).to.deep.equal(['file']);
  });

  it('binds what is mounted below only when asked, and read-only with the rest', async () => {
    for (const name of ['from/inner', 'deep', 'flat']) fs.mkdirSync(`${dir}/${name}`, { recursive: true });
    await mounts.tmpfs(`${dir}/from/inner`, { sizeBytes: 0, mode: 0o755 });
    fs.writeFileSync(`${dir}/from/inner/file`, '');
    await mounts.bind(`${dir}/from`, `${dir}/deep`, { recursive: true, readOnly: true });
    await mounts.bind(`${dir}/from`, `${dir}/flat`, { readOnly: true });
    expect(fs.readdirSync(`${dir}/flat/inner`)).to.deep.equal([]);
    expect(fs.readdirSync(`${dir}/deep/inner`)).to.deep.equal(['file']);
    expect(() => fs.writeFileSync(`${dir}/deep/inner/other`, '')).to.throw('EROFS');
  });

  it('unmounts what is busy, and finds what is not mounted unmounted', async () => {
    await mounts.tmpfs(dir, { sizeBytes: 4096 * 16, mode: 0o700 });
    const fd = fs.openSync(`${dir}/file`, 'w');
    await mounts.unmount(dir);
    fs.closeSync(fd);
    await mounts.unmount(dir);
    await mounts.unmount(`${dir}/none`);
    expect(fs.readdirSync(dir)).to.deep.equal([]);
  });

  it('tells a pinned namespace from a file', async () => {
    const namespaces = createNamespaces(mounts);
    await namespaces.createNet(`${dir}/pod`);
    fs.writeFileSync(`${dir}/file`, '');
    expect(await namespaces.isPinned(`${dir}/pod`)).to.equal(true);
    for (const name of ['file', 'none']) expect(await namespaces.isPinned(`${dir}/${name}`)).to.equal(false);
    const again = await namespaces.createNet(`${dir}/pod`).catch((thrown: unknown) => thrown);
    expect(again).to.include({ kind: 'exists' });
    expect(await namespaces.listPinned(dir)).to.deep.equal([`${dir}/pod`]);
    await namespaces.removeNet(`${dir}/pod`);
    await namespaces.removeNet(`${dir}/pod`);
    expect(fs.readdirSync(dir)).to.deep.equal(['file']);
  });
});
