import { randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import { expect } from 'chai';
import { createCgroups } from '../../../src/host/cgroups.js';
import { createProcesses } from '../../../src/host/processes.js';
import type { ProcessIdentity } from '../../../src/ports/processes.js';

const cgroups = createCgroups();
const processes = createProcesses();
/** No process gets this number. */
const maxPid = 2 ** 22;

describe('host: cgroups (real hierarchies)', () => {
  const parent = `/nlt${randomBytes(4).toString('hex')}`;
  const group = `${parent}/pod`;
  let stop = new AbortController();
  let isV2 = false;
  /** What the group's file holds, on either version. */
  const valueOf = (v1: string, v2: string): string => {
    const controller = v1.split('.')[0] ?? '';
    const hierarchies = fs.readdirSync('/sys/fs/cgroup');
    const dir = isV2 ? '' : hierarchies.find((name) => name.split(',').includes(controller));
    return fs.readFileSync(`/sys/fs/cgroup/${dir}${group}/${isV2 ? v2 : v1}`, 'utf8').trim();
  };

  before(async () => {
    isV2 = (await cgroups.info()).version === 'v2';
  });
  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await cgroups.remove(parent);
    expect(await cgroups.children('/')).not.to.include(parent.slice(1));
  });

  it('sets the limits it is given, also of a group that is there', async () => {
    await cgroups.create(group, { memoryBytes: 1 << 27 });
    await cgroups.create(group, {
      cpuShares: 512,
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 100_000,
      memoryBytes: 1 << 26,
      pids: 33,
    });
    expect(valueOf('memory.limit_in_bytes', 'memory.max')).to.equal(String(1 << 26));
    expect(valueOf('pids.max', 'pids.max')).to.equal('33');
    expect(valueOf('cpu.cfs_quota_us', 'cpu.max')).to.equal(isV2 ? '50000 100000' : '50000');
    expect(valueOf('cpu.shares', 'cpu.weight')).to.equal(isV2 ? '20' : '512');
    await cgroups.create(group, { cpuQuotaUs: -1, pids: -1 });
    expect(valueOf('pids.max', 'pids.max')).to.equal('max');
    expect(valueOf('cpu.cfs_quota_us', 'cpu.max')).to.equal(isV2 ? 'max 100000' : '-1');
  });

  it('names the file and the value that the kernel refuses', async () => {
    const refusal = await cgroups.create(group, { cpuPeriodUs: 1 }).catch((thrown: unknown) => thrown);
    expect(refusal).to.include({ kind: 'invalid', field: 'cpuPeriodUs' });
    expect(refusal)
      .to.have.property('message')
      .that.matches(/cpu\.(cfs_period_us|max) failed: EINVAL/);
  });

  it('tells its processes, and is removed only when they have gone', async () => {
    await cgroups.create(group, { pids: 2 });
    const seconds = `300.${randomInt(10 ** 9)}`;
    const running = processes.run({ argv: ['sleep', seconds], signal: stop.signal }).catch(() => undefined);
    let sleeper: ProcessIdentity | undefined;
    while (sleeper === undefined) {
      sleeper = (await processes.list()).find(({ argv }) => argv[1] === seconds)?.identity;
    }
    expect(await cgroups.attach(group, sleeper.pid)).to.equal(true);
    expect(await cgroups.pids(parent)).to.deep.equal([sleeper.pid]);
    const refusal = await cgroups.remove(parent).catch((thrown: unknown) => thrown);
    expect(refusal).to.include({ kind: 'wrong-state' });
    stop.abort();
    await running;
    expect(await cgroups.pids(parent)).to.deep.equal([]);
    expect(await cgroups.attach(group, maxPid)).to.equal(false);
  });
});
