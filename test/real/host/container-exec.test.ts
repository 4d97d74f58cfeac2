import { randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { createProcesses } from '../../../src/host/processes.js';

const processes = createProcesses();

describe('host: ending an exec in a container (real crun)', () => {
  const id = `nlt${randomBytes(4).toString('hex')}`;
  const seconds = `300.${randomInt(10 ** 9)}`;
  let dir = '';
  const crun = (...args: string[]) => ['crun', '--root', `${dir}/state`, ...args];

  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-exec-'));
    fs.mkdirSync(`${dir}/bundle/rootfs/bin`, { recursive: true });
    fs.copyFileSync('/bin/busybox', `${dir}/bundle/rootfs/bin/busybox`);
    for (const name of ['sh', 'sleep', 'setsid'])
      fs.symlinkSync('busybox', `${dir}/bundle/rootfs/bin/${name}`);
    await processes.run({ argv: crun('spec'), cwd: `${dir}/bundle` });
    const spec = JSON.parse(fs.readFileSync(`${dir}/bundle/config.json`, 'utf8')) as {
      process: { args: string[]; terminal: boolean };
      linux: { cgroupsPath?: string };
    };
    Object.assign(spec.process, { args: ['sleep', '1000'], terminal: false });
    spec.linux.cgroupsPath = `/${id}`;
    fs.writeFileSync(`${dir}/bundle/config.json`, JSON.stringify(spec));
    const started = await processes.run({
      argv: crun('--log', `${dir}/log`, 'run', '--detach', '--bundle', `${dir}/bundle`, id),
      detachedOutput: true,
    });
    expect(started.exitCode, fs.readFileSync(`${dir}/log`, 'utf8')).to.equal(0);
  });
  after(async () => {
    await processes.run({ argv: crun('delete', '--force', id) });
    fs.rmSync(dir, { recursive: true });
  });

  const sleepers = async () =>
    (await processes.list()).filter(({ argv }) => argv[0] === 'sleep' && argv[1] === seconds);

  it('ends what the exec started at the timeout, and leaves the container alone', async () => {
    const script = `sleep ${seconds} & setsid sleep ${seconds} & (sleep ${seconds} &) ; sleep ${seconds}; true`;
    const refusal = await processes
      .run({ argv: crun('exec', id, 'sh', '-c', script), timeoutMs: 2_000 })
      .catch((thrown: unknown) => thrown);
    expect(refusal).to.include({ kind: 'deadline' });
    for (const { identity } of await sleepers())
      expect(await processes.waitGone(identity, 30_000)).to.equal(true);
    const state = await processes.run({ argv: crun('state', id) });
    expect(JSON.parse(state.stdout.toString())).to.include({ status: 'running' });
  });

  it('returns when the command has ended, though it left something running', async () => {
    const { exitCode, stdout } = await processes.run({
      argv: crun('exec', id, 'sh', '-c', `sleep ${seconds} & echo left; exit 5`),
    });
    expect({ exitCode, stdout: stdout.toString() }).to.deep.equal({ exitCode: 5, stdout: 'left\n' });
    expect(await sleepers()).to.have.length(1);
  });
});
