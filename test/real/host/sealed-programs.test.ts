import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { bind } from '../../../src/host/libc.js';
import { createProcesses } from '../../../src/host/processes.js';

const fcntl = bind<(fd: number, command: number, argument: number) => number>(
  'int fcntl(int fd, int command, int argument)',
);
const getSeals = 1034;
/** Against sealing, shrinking, growing and writing. */
const allSeals = 15;

describe('host: sealed copies of programs', () => {
  let dir = '';
  const processes = createProcesses();
  const script = (text: string) => {
    fs.writeFileSync(`${dir}/program`, `#!/bin/sh\necho ${text}\n`, { mode: 0o755 });
    return `${dir}/program`;
  };
  const output = async (file: string, ...args: string[]) =>
    (await processes.run({ argv: [file, ...args], timeoutMs: 10_000 })).stdout.toString();

  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-seal-'));
  });
  afterEach(() => fs.rmSync(dir, { recursive: true }));

  it('runs as the program does, and nobody can write to it', async () => {
    const copy = await processes.sealed('/bin/echo');
    expect(await output(copy, 'hello')).to.equal('hello\n');
    expect(() => fs.writeFileSync(copy, 'overwritten')).to.throw(/EPERM/);
    expect(await processes.sealed('/bin/echo')).to.equal(copy);
  });

  it('has all the seals by which an OCI runtime knows that it needs no copy of itself', async () => {
    const fd = fs.openSync(await processes.sealed('/usr/bin/crun'), 'r');
    const seals = fcntl(fd, getSeals, 0);
    fs.closeSync(fd);
    expect(seals).to.equal(allSeals);
  });

  it('follows an upgrade', async () => {
    expect(await output('/bin/sh', await processes.sealed(script('old')))).to.equal('old\n');
    expect(await output('/bin/sh', await processes.sealed(script('newer')))).to.equal('newer\n');
  });

  it('says which program is missing', async () => {
    const failure = await processes.sealed(`${dir}/nothing`).catch((thrown: unknown) => thrown);
    expect(String(failure)).to.contain(`${dir}/nothing can't be read`);
  });
});
