import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { createMounts } from '../../../src/host/mounts.js';
import { createUsageProbes } from '../../../src/host/usage-probes.js';

const mebibyte = 1024 * 1024;

describe('host: usage beside cgroups (real files)', () => {
  const probes = createUsageProbes();
  let dir = '';
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-usage-'));
  });
  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));
  const usage = (maxEntries = 1000) =>
    probes.folder(dir, { maxEntries, signal: new AbortController().signal });

  it('of a folder is what its files take on the disk: holes are free, a second name is too', async () => {
    const empty = await usage();
    expect(empty).to.deep.include({ inodes: 1, complete: true });
    fs.mkdirSync(`${dir}/sub`);
    fs.writeFileSync(`${dir}/sub/full`, Buffer.alloc(mebibyte, 1));
    fs.linkSync(`${dir}/sub/full`, `${dir}/again`);
    fs.writeFileSync(`${dir}/sparse`, '');
    fs.truncateSync(`${dir}/sparse`, 100 * mebibyte);
    fs.symlinkSync('/etc', `${dir}/elsewhere`);
    const found = await usage();
    expect(found).to.deep.include({ inodes: 5, complete: true });
    expect(found?.bytes).to.be.within(mebibyte, mebibyte + 64 * 1024);
  });

  it('of a folder stops at its bound, and says so', async () => {
    for (let file = 0; file < 20; file++) fs.writeFileSync(`${dir}/${file}`, 'x');
    expect(await usage(8)).to.deep.include({ inodes: 8, complete: false });
    const signal = AbortSignal.abort();
    expect(await probes.folder(dir, { maxEntries: 1000, signal })).to.deep.include({ complete: false });
    expect(await probes.folder(`${dir}/gone`, { maxEntries: 1, signal })).to.equal(undefined);
  });

  it('of a folder leaves out what is mounted in it', async () => {
    const mounts = createMounts();
    fs.mkdirSync(`${dir}/mounted`);
    await mounts.tmpfs(`${dir}/mounted`, { sizeBytes: mebibyte, mode: 0o755 });
    try {
      fs.writeFileSync(`${dir}/mounted/file`, Buffer.alloc(4096, 1));
      expect((await usage())?.inodes).to.equal(1);
    } finally {
      await mounts.unmount(`${dir}/mounted`);
    }
  });

  it('of a process is its descriptors, its sockets and its limit', async () => {
    const before = await probes.openFiles(process.pid, 1000);
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const file = fs.openSync('/dev/null', 'r');
    try {
      const open = await probes.openFiles(process.pid, 1000);
      expect((open?.descriptors ?? 0) - (before?.descriptors ?? 0)).to.be.at.least(2);
      expect((open?.sockets ?? 0) - (before?.sockets ?? 0)).to.equal(1);
      expect(open?.softLimit).to.be.greaterThan(100);
      expect((await probes.openFiles(process.pid, 0))?.sockets, 'none is looked at').to.equal(0);
    } finally {
      fs.closeSync(file);
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await probes.openFiles(2 ** 22 + 1, 1000)).to.equal(undefined);
  });

  it('of a file system names its device and its size', async () => {
    const facts = await probes.fileSystem(dir);
    expect(facts.device).to.match(/^\/dev\/|^tmpfs$|^overlay$|^none$|^\d+:\d+$/);
    expect(facts.capacityBytes).to.be.greaterThan(mebibyte);
    expect(facts.freeInodes).to.be.at.most(facts.inodes);
    const tmpfs = await probes.fileSystem('/dev');
    expect(tmpfs.device).not.to.match(/^\/dev\/.*\//);
    expect(probes.deviceName({ major: 9999, minor: 1 })).to.equal('9999:1');
  });
});
