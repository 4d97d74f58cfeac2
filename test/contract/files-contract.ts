import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { ContractFactory } from './contract.js';
import { declareContract, eventually, outcomeOf } from './contract.js';

export function filesContract(factory: ContractFactory): void {
  declareContract('files', factory, {
    'gives undefined, nothing or no error for what is not there': async ({ host: { files }, dir }) => {
      expect(await files.read(`${dir}/absent`)).to.equal(undefined);
      expect(await files.stat(`${dir}/absent`)).to.equal(undefined);
      expect(await files.list(`${dir}/absent`)).to.deep.equal([]);
      expect(await files.readLink(`${dir}/absent`)).to.equal(undefined);
      expect(await files.readLink(dir)).to.equal(undefined);
      await files.removeTree(`${dir}/absent`);
    },
    'writes a file with its parent folders, and writes over it': async ({ host: { files }, dir }) => {
      await files.writeAtomic(`${dir}/a/b/file`, 'one', 0o600);
      await files.writeAtomic(`${dir}/a/b/file`, Buffer.from('two'), 0o640);
      expect((await files.read(`${dir}/a/b/file`))?.toString()).to.equal('two');
      expect(await files.stat(`${dir}/a/b/file`)).to.include({ kind: 'file', sizeBytes: 3, mode: 0o640 });
      expect(await files.list(`${dir}/a/b`), 'no temporary file stays').to.deep.equal(['file']);
    },
    'makes folders down to the last, again and again': async ({ host: { files }, dir }) => {
      for (const _ of [1, 2]) await files.makeDir(`${dir}/x/y`, 0o700);
      expect(await files.stat(`${dir}/x/y`)).to.include({ kind: 'dir', mode: 0o700 });
    },
    'moves a file over another': async ({ host: { files }, dir }) => {
      await files.writeAtomic(`${dir}/new`, 'new', 0o600);
      await files.writeAtomic(`${dir}/old`, 'old');
      await files.rename(`${dir}/new`, `${dir}/old`);
      expect((await files.read(`${dir}/old`))?.toString()).to.equal('new');
      expect(await files.stat(`${dir}/old`)).to.include({ mode: 0o600 });
      expect(await files.list(dir)).to.deep.equal(['old']);
    },
    'moves a file to a free name only': async ({ host: { files }, dir }) => {
      await files.writeAtomic(`${dir}/one`, 'one');
      await files.writeAtomic(`${dir}/two`, 'two');
      expect(await files.renameIfFree(`${dir}/one`, `${dir}/two`)).to.equal(false);
      expect(await files.renameIfFree(`${dir}/absent`, `${dir}/three`)).to.equal(false);
      expect(await files.renameIfFree(`${dir}/one`, `${dir}/three`)).to.equal(true);
      expect(await files.list(dir)).to.deep.equal(['three', 'two']);
      expect((await files.read(`${dir}/three`))?.toString()).to.equal('one');
      expect((await files.read(`${dir}/two`))?.toString()).to.equal('two');
    },
    'packs a file into another, as old and as private': async ({ host: { files, clock }, dir }) => {
      const signal = new AbortController().signal;
      const text = 'a line of a log\n'.repeat(100_000);
      await files.writeAtomic(`${dir}/log`, text, 0o600);
      await clock.sleep(20);
      const plain = await files.stat(`${dir}/log`);
      for (const _ of [1, 2]) await files.gzip({ from: `${dir}/log`, to: `${dir}/log.gz` }, signal);
      const packed = await files.stat(`${dir}/log.gz`);
      expect(packed).to.include({ mode: 0o600, uid: plain?.uid, gid: plain?.gid });
      expect(packed?.mtimeMs).to.be.closeTo(plain?.mtimeMs ?? 0, 1);
      expect(gunzipSync((await files.read(`${dir}/log.gz`)) ?? '').toString()).to.equal(text);
      const absent = files.gzip({ from: `${dir}/absent`, to: `${dir}/absent.gz` }, signal);
      expect(await outcomeOf(absent)).to.equal('not-found');
      expect(await files.list(dir)).to.deep.equal(['log', 'log.gz']);
    },
    'lists names in order': async ({ host: { files }, dir }) => {
      for (const name of ['b', 'c', 'a']) await files.writeAtomic(`${dir}/${name}`, '');
      expect(await files.list(dir)).to.deep.equal(['a', 'b', 'c']);
    },
    'finds a path below a root, which dots do not leave': async ({ host: { files }, dir }) => {
      await files.writeAtomic(`${dir}/root/etc/passwd`, 'x');
      await files.writeAtomic(`${dir}/outside`, 'x');
      const find = (path: string) => files.realPathIn(`${dir}/root`, path);
      expect(await find('/etc/passwd')).to.equal(`${dir}/root/etc/passwd`);
      expect(await find('/../../etc/./passwd')).to.equal(`${dir}/root/etc/passwd`);
      expect(await find('/')).to.equal(`${dir}/root`);
      expect(await find('/../outside')).to.equal(undefined);
      expect(await find('/etc/passwd/x')).to.equal(undefined);
    },
    'removes a tree': async ({ host: { files }, dir }) => {
      await files.writeAtomic(`${dir}/tree/deep/file`, 'x');
      await files.removeTree(`${dir}/tree`);
      expect(await files.list(dir)).to.deep.equal([]);
    },
    'refuses to remove a tree with a mount in it, and spares what is mounted': async (world) => {
      const { files, mounts } = world.host;
      const target = `${world.dir}/tree/mounted`;
      await files.makeDir(target);
      await mounts.tmpfs(target, { sizeBytes: 0, mode: 0o755 });
      await files.writeAtomic(`${target}/precious`, 'data');
      expect(await outcomeOf(files.removeTree(`${world.dir}/tree`))).to.equal('wrong-state');
      expect((await files.read(`${target}/precious`))?.toString()).to.equal('data');
      await mounts.unmount(target);
      await files.removeTree(`${world.dir}/tree`);
      expect(await files.stat(`${world.dir}/tree`)).to.equal(undefined);
    },
    'tells of a file that appears in a watched folder': async (world) => {
      const { files } = world.host;
      const told = new Set<string>();
      const stop = files.watch(world.dir, (name) => told.add(name));
      await files.writeAtomic(`${world.dir}/news`, 'x');
      await eventually(world, 'the name', async () => told.has('news') || undefined);
      stop();
    },
    'says nothing any more once the watch was stopped': async (world) => {
      const { files } = world.host;
      let told = 0;
      files.watch(world.dir, () => told++)();
      const other = new Set<string>();
      const stop = files.watch(world.dir, (name) => other.add(name));
      await files.writeAtomic(`${world.dir}/news`, 'x');
      await eventually(world, 'the name, to the other watch', async () => other.has('news') || undefined);
      stop();
      expect(told).to.equal(0);
    },
    'reads a file piece by piece, up to its end': async ({ host: { files, fileReads }, dir }) => {
      expect(await fileReads.open(`${dir}/absent`)).to.equal(undefined);
      await files.writeAtomic(`${dir}/file`, 'abcdef');
      const file = await fileReads.open(`${dir}/file`);
      const read = async (position: number, length: number) =>
        (await file?.read({ position, length }))?.toString();
      expect(await file?.size()).to.equal(6);
      expect([await read(1, 3), await read(4, 10), await read(6, 1), await read(9, 1)]).to.deep.equal([
        'bcd',
        'ef',
        '',
        '',
      ]);
      await file?.close();
    },
    'holds on to an open file, wherever its name goes': async ({ host: { files, fileReads }, dir }) => {
      await files.writeAtomic(`${dir}/log`, 'old');
      const old = await fileReads.open(`${dir}/log`);
      await files.rename(`${dir}/log`, `${dir}/log.1`);
      await files.writeAtomic(`${dir}/log`, 'new');
      const renamed = await fileReads.open(`${dir}/log.1`);
      const next = await fileReads.open(`${dir}/log`);
      expect(renamed?.identity).to.equal(old?.identity);
      expect(next?.identity).not.to.equal(old?.identity);
      await files.removeTree(`${dir}/log.1`);
      expect((await old?.read({ position: 0, length: 9 }))?.toString()).to.equal('old');
      for (const file of [old, renamed, next]) await file?.close();
    },
    'refuses to write into a pipe that is not there': async ({ host: { files }, dir }) => {
      expect(await outcomeOf(files.writeToFifo(`${dir}/absent`, 'x'))).to.equal('wrong-state');
    },
    'takes nothing out of a pipe that is not there': async ({ host: { files }, dir }) => {
      expect(await files.takeFromFifo(`${dir}/absent`)).to.equal('');
    },
  });
}
