import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { createMounts } from '../../../src/host/mounts.js';
import { createRecordStore } from '../../../src/host/record-store.js';
import type { RecordStore, RecordTable } from '../../../src/ports/record-store.js';
import { repositoryDir } from '../test-registry.js';

describe('host: records (real disk)', () => {
  let dir = '';
  let store: RecordStore | undefined;
  const open = (): RecordTable<{ n: number }> => {
    store = createRecordStore({ storePath: `${dir}/disk`, bootPath: `${dir}/boot` });
    return store.table('numbers');
  };
  const close = async () => {
    await store?.close();
    store = undefined;
  };
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-records-'));
  });
  afterEach(async () => {
    await close();
    fs.rmSync(dir, { recursive: true });
  });

  it('keeps what was put and forgets what was removed, over a restart', async () => {
    const table = open();
    await table.put('one', { n: 1 });
    await table.put('two', { n: 2 });
    await table.put('two', { n: 22 });
    await table.remove('one');
    expect(table.entries()).to.deep.equal([['two', { n: 22 }]]);
    await close();
    expect(open().entries()).to.deep.equal([['two', { n: 22 }]]);
  });

  it('has everything on the disk once flushed: a reboot empties the rest', async () => {
    const table = open();
    for (let n = 0; n < 50; n++) await table.put(`k${n}`, { n });
    await table.remove('k7');
    await store?.flushed();
    fs.cpSync(`${dir}/disk`, `${dir}/copy`, { recursive: true });
    await close();
    fs.rmSync(`${dir}/boot`, { recursive: true });
    fs.rmSync(`${dir}/disk`, { recursive: true });
    fs.renameSync(`${dir}/copy`, `${dir}/disk`);
    const found = open();
    expect(found.entries().length).to.equal(49);
    expect(found.get('k49')).to.deep.equal({ n: 49 });
  });

  it('believes a copy neither of another boot nor of another store', async () => {
    await open().put('one', { n: 1 });
    await close();
    fs.writeFileSync(`${dir}/boot/origin`, 'of another boot');
    expect(open().get('one'), 'after a reboot').to.deep.equal({ n: 1 });
    await close();
    fs.rmSync(`${dir}/disk`, { recursive: true });
    expect(open().entries(), 'with a new store').to.deep.equal([]);
  });

  it('loses nothing that was put when the process is killed at once', async () => {
    const script = `
      import { createRecordStore } from '${repositoryDir}/dist/src/host/record-store.js';
      const store = createRecordStore({ storePath: '${dir}/disk', bootPath: '${dir}/boot' });
      const table = store.table('numbers');
      for (let n = 0; ; n++) { await table.put('last', { n }); process.stdout.write(n + '\\n'); }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.length > 500) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const last = Number(said.trim().split('\n').at(-1));
    expect(open().get('last')?.n).to.be.at.least(last);
    await close();
    fs.rmSync(`${dir}/boot`, { recursive: true });
    expect(open().get('last')?.n, 'the disk has followed').to.be.at.least(last);
  });

  it('refuses changes while the disk is full, and takes them again when there is room', async () => {
    const mounts = createMounts();
    fs.mkdirSync(`${dir}/disk`);
    await mounts.tmpfs(`${dir}/disk`, { sizeBytes: 1024 * 1024, mode: 0o700 });
    try {
      const table = open();
      await table.put('before', { n: 1 });
      await store?.flushed();
      execFileSync('sh', ['-c', `cat /dev/zero >${dir}/disk/fill 2>/dev/null || true`]);
      const large = { n: 1, text: 'x'.repeat(100_000) };
      await table.put('large', large);
      const failure = await store?.flushed().catch((thrown: unknown) => thrown);
      expect(failure).to.have.property('kind', 'exhausted');
      const refused = await table.put('refused', { n: 2 }).catch((thrown: unknown) => thrown);
      expect(refused).to.have.property('kind', 'exhausted');
      expect(await store?.refusal()).to.have.property('kind', 'exhausted');
      fs.rmSync(`${dir}/disk/fill`);
      expect(await store?.refusal(), 'with room').to.equal(undefined);
      await table.put('after', { n: 3 });
      await store?.flushed();
      expect(table.entries().map(([key]) => key)).to.deep.equal(['after', 'before', 'large']);
    } finally {
      fs.rmSync(`${dir}/disk/fill`, { force: true });
      await close();
      await mounts.unmount(`${dir}/disk`);
    }
  });
});
