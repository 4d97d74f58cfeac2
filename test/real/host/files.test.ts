import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { createFiles } from '../../../src/host/files.js';
import { createMounts } from '../../../src/host/mounts.js';
import type { Files } from '../../../src/ports/files.js';

const mounts = createMounts();
const patienceMs = 30_000;

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const start = performance.now(); !holds(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (performance.now() - start > patienceMs) throw new Error(`${what}: waited in vain`);
  }
}

const places = [
  { what: 'on a disk', mount: () => Promise.resolve() },
  { what: 'on a tmpfs', mount: (dir: string) => mounts.tmpfs(dir, { sizeBytes: 0, mode: 0o755 }) },
];

for (const { what: where, mount } of places)
  describe(`host: files (real file system, ${where})`, () => {
    let dir = '';
    let files: Files;
    beforeEach(async () => {
      dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-files-'));
      await mount(dir);
      files = createFiles([dir]);
    });
    afterEach(async () => {
      for (const { target } of (await mounts.list(dir)).toReversed()) await mounts.unmount(target);
      fs.rmSync(dir, { recursive: true, force: true });
    });

    describe('small files', () => {
      it('are written whole with their mode, in folders made on the way, and replace what was there', async () => {
        await files.writeAtomic(`${dir}/a/b/file`, 'first', 0o600);
        await files.writeAtomic(`${dir}/a/b/file`, 'second', 0o640);
        expect((await files.read(`${dir}/a/b/file`))?.toString()).to.equal('second');
        expect(await files.stat(`${dir}/a/b/file`)).to.include({ kind: 'file', mode: 0o640, sizeBytes: 6 });
        expect(await files.list(`${dir}/a/b`)).to.deep.equal(['file']);
      });

      it('that are not there are none', async () => {
        expect(await files.read(`${dir}/none`)).to.equal(undefined);
        expect(await files.stat(`${dir}/none/below`)).to.equal(undefined);
        expect(await files.list(`${dir}/none`)).to.deep.equal([]);
      });

      it('leave nothing when they cannot be written', async () => {
        fs.mkdirSync(`${dir}/taken/by`, { recursive: true });
        const failure = await files.writeAtomic(`${dir}/taken`, 'text').catch((thrown: unknown) => thrown);
        expect(failure).to.be.instanceOf(Error);
        expect(fs.readdirSync(dir)).to.deep.equal(['taken']);
      });
    });

    it('what is in a pipe can be taken out by another than its reader', async () => {
      const pipe = `${dir}/pipe`;
      execFileSync('mkfifo', [pipe]);
      expect(await files.takeFromFifo(pipe)).to.equal('');
      // As conmon holds its own: open both ways, so that no end of file comes.
      const held = fs.openSync(pipe, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
      expect(await files.takeFromFifo(pipe)).to.equal('');
      for (const text of ['2 0 0\n', '1 24 80\n']) await files.writeToFifo(pipe, text);
      expect(await files.takeFromFifo(pipe)).to.equal('2 0 0\n1 24 80\n');
      expect(await files.takeFromFifo(pipe)).to.equal('');
      fs.closeSync(held);
    });

    it('what is packed leaves nothing behind when it is called off', async () => {
      fs.writeFileSync(`${dir}/log`, Buffer.alloc(8 * 1024 * 1024, 'x'));
      const abort = new AbortController();
      const packing = files.gzip({ from: `${dir}/log`, to: `${dir}/log.gz` }, abort.signal);
      await until('the packed file', () => fs.existsSync(`${dir}/log.gz`));
      abort.abort();
      expect(await packing.catch((thrown: unknown) => thrown)).to.be.instanceOf(Error);
      expect(fs.readdirSync(dir)).to.deep.equal(['log']);
    });

    describe('removeTree', () => {
      it('removes folders, files, links and FIFOs, but not what a link leads to', async () => {
        fs.mkdirSync(`${dir}/tree/a/b`, { recursive: true });
        fs.mkdirSync(`${dir}/kept`);
        fs.writeFileSync(`${dir}/kept/file`, 'mine');
        for (let index = 0; index < 30; index++) fs.writeFileSync(`${dir}/tree/a/b/${index}`, '');
        fs.symlinkSync(`${dir}/kept`, `${dir}/tree/a/link`);
        await files.removeTree(`${dir}/tree`);
        await files.removeTree(`${dir}/tree`);
        await files.removeTree(`${dir}/kept/file/below`);
        expect(fs.readdirSync(dir)).to.deep.equal(['kept']);
        expect(fs.readdirSync(`${dir}/kept`)).to.deep.equal(['file']);
        await files.removeTree(`${dir}/kept/file`);
        expect(fs.readdirSync(`${dir}/kept`)).to.deep.equal([]);
      });

      for (const [what, prepare] of [
        ['a bind mount of the same file system', (to: string) => mounts.bind(`${dir}/volume`, to)],
        ['another file system', (to: string) => mounts.tmpfs(to, { sizeBytes: 0, mode: 0o755 })],
      ] as const) {
        it(`deletes nothing behind ${what}`, async () => {
          const at = `${dir}/tree/volumes/data`;
          fs.mkdirSync(`${dir}/volume`);
          fs.mkdirSync(at, { recursive: true });
          await prepare(at);
          fs.writeFileSync(`${at}/precious`, 'data');
          for (const target of [`${dir}/tree`, at]) {
            const refusal = await files.removeTree(target).catch((thrown: unknown) => thrown);
            expect(refusal).to.include({ kind: 'wrong-state' }).and.has.property('message').that.includes(at);
          }
          expect(fs.readFileSync(`${at}/precious`, 'utf8')).to.equal('data');
          await mounts.unmount(at);
          await files.removeTree(`${dir}/tree`);
          expect(fs.existsSync(`${dir}/tree`)).to.equal(false);
        });
      }

      it('leaves a file that something is mounted on', async () => {
        fs.mkdirSync(`${dir}/tree`);
        fs.writeFileSync(`${dir}/hosts`, 'precious');
        fs.writeFileSync(`${dir}/tree/hosts`, '');
        await mounts.bind(`${dir}/hosts`, `${dir}/tree/hosts`);
        expect(await files.removeTree(`${dir}/tree`).catch((thrown: unknown) => thrown)).to.include({
          kind: 'wrong-state',
        });
        expect(fs.readFileSync(`${dir}/hosts`, 'utf8')).to.equal('precious');
      });
    });

    describe('watch', () => {
      it('misses none of a burst of exit files', async () => {
        const seen = new Set<string>();
        const stop = files.watch(dir, (name) => seen.add(name));
        const names = Array.from({ length: 200 }, (_, index) => `exit-${index}`);
        try {
          await Promise.all(names.map((name) => files.writeAtomic(`${dir}/${name}`, '0')));
          await until('all are seen', () => names.every((name) => seen.has(name)));
        } finally {
          stop();
        }
      });

      it('goes on when the folder is removed and made anew, and tells what is in it', async () => {
        const folder = `${dir}/manifests`;
        const seen: string[] = [];
        fs.mkdirSync(folder);
        const stop = files.watch(folder, (name) => seen.push(name));
        try {
          for (const round of ['first', 'second', 'third']) {
            fs.rmSync(folder, { recursive: true });
            fs.mkdirSync(folder);
            fs.writeFileSync(`${folder}/${round}-early`, '');
            await until(`the ${round} early one is seen`, () => seen.includes(`${round}-early`));
            fs.writeFileSync(`${folder}/${round}-late`, '');
            await until(`the ${round} late one is seen`, () => seen.includes(`${round}-late`));
          }
        } finally {
          stop();
        }
      });

      it('waits for a folder that is not there yet', async () => {
        const seen: string[] = [];
        const stop = files.watch(`${dir}/later`, (name) => seen.push(name));
        try {
          fs.mkdirSync(`${dir}/later`);
          fs.writeFileSync(`${dir}/later/one`, '');
          await until('it is seen', () => seen.includes('one'));
        } finally {
          stop();
        }
      });

      it('is silent once it was stopped, though the folder is away', async () => {
        const seen: string[] = [];
        const stop = files.watch(`${dir}/later`, (name) => seen.push(name));
        stop();
        const other = new Set<string>();
        const stopOther = files.watch(`${dir}/later`, (name) => other.add(name));
        fs.mkdirSync(`${dir}/later`);
        fs.writeFileSync(`${dir}/later/one`, '');
        await until('the other sees it', () => other.has('one')).finally(stopOther);
        expect(seen).to.deep.equal([]);
      });
    });
  });
