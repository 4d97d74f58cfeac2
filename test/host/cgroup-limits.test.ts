import { expect } from 'chai';
import fc from 'fast-check';
import {
  controllersToEnable,
  limitFilesV1,
  limitFilesV2,
  oomKillsIn,
  unreclaimableBytes,
  weightOfShares,
} from '../../src/host/cgroup-limits.js';
import type { LimitFile } from '../../src/host/cgroup-limits.js';

const written = (files: LimitFile[]) => files.map(({ file, value }) => `${file} ${value}`);

describe('host: cgroup limits', () => {
  it('writes those of v1, the period before the quota', () => {
    const limits = {
      cpuShares: 512,
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 200_000,
      memoryBytes: 1 << 26,
      pids: 64,
    };
    expect(written(limitFilesV1(limits))).to.deep.equal([
      'cpu.shares 512',
      'cpu.cfs_period_us 200000',
      'cpu.cfs_quota_us 50000',
      'memory.limit_in_bytes 67108864',
      'pids.max 64',
    ]);
    expect(limitFilesV1({})).to.deep.equal([]);
  });

  it('writes those of v2, quota and period as one', () => {
    const limits = {
      cpuShares: 1024,
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 200_000,
      memoryBytes: 1 << 26,
      pids: 64,
    };
    expect(written(limitFilesV2(limits))).to.deep.equal([
      'cpu.weight 39',
      'cpu.max 50000 200000',
      'memory.max 67108864',
      'pids.max 64',
    ]);
    expect(written(limitFilesV2({ cpuQuotaUs: 25_000 }))).to.deep.equal(['cpu.max 25000 100000']);
    expect(written(limitFilesV2({ cpuPeriodUs: 50_000 }))).to.deep.equal(['cpu.max max 50000']);
    expect(written(limitFilesV2({ cpuQuotaUs: -1, memoryBytes: -1, pids: -1 }))).to.deep.equal([
      'cpu.max max 100000',
      'memory.max max',
      'pids.max max',
    ]);
  });

  it('writes cpusets, huge pages and swap by their names on either version', () => {
    const limits = {
      cpusetCpus: '0-1',
      cpusetMems: '0',
      hugepages: [{ pageSize: '2MB', bytes: 4096 }],
      memoryBytes: 100,
      memorySwapBytes: 130,
    };
    expect(written(limitFilesV1(limits))).to.deep.equal([
      'memory.limit_in_bytes 100',
      'memory.memsw.limit_in_bytes 130',
      'cpuset.cpus 0-1',
      'cpuset.mems 0',
      'hugetlb.2MB.limit_in_bytes 4096',
      'hugetlb.2MB.rsvd.limit_in_bytes 4096',
    ]);
    expect(written(limitFilesV2({ ...limits, unified: { 'memory.oom.group': '1' } }))).to.deep.equal([
      'memory.max 100',
      'memory.swap.max 30',
      'cpuset.cpus 0-1',
      'cpuset.mems 0',
      'hugetlb.2MB.max 4096',
      'hugetlb.2MB.rsvd.max 4096',
      'memory.oom.group 1',
    ]);
    expect(written(limitFilesV2({ memoryBytes: 100, memorySwapBytes: -1 }))).to.include(
      'memory.swap.max max',
    );
  });

  it('takes pages that can be read again for no hindrance to less memory', () => {
    const stat = 'anon 4096\nfile 900000\ninactive_file 800000\nactive_file 100000\n';
    expect(unreclaimableBytes({ current: '1000000\n', stat })).to.equal(200_000);
  });

  it('lays shares over weights from end to end, never the other way round', () => {
    expect([0, 2, 1024, 262_144, 10 ** 9].map(weightOfShares)).to.deep.equal([1, 1, 39, 10_000, 10_000]);
    fc.assert(
      fc.property(fc.nat(300_000), fc.nat(300_000), (a, b) => {
        expect(weightOfShares(Math.min(a, b))).to.be.at.most(weightOfShares(Math.max(a, b)));
      }),
    );
  });

  it('enables what children lack of what their parent has', () => {
    const controllers = 'cpuset cpu io memory hugetlb pids rdma misc\n';
    expect(controllersToEnable({ controllers, subtreeControl: 'cpu memory pids\n' })).to.deep.equal([
      'cpuset',
      'io',
      'hugetlb',
      'rdma',
      'misc',
    ]);
    expect(controllersToEnable({ controllers, subtreeControl: controllers })).to.deep.equal([]);
    expect(controllersToEnable({ controllers: '\n', subtreeControl: '\n' })).to.deep.equal([]);
  });

  it('counts OOM kills, of the group and not of its children alone', () => {
    const events = 'low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n';
    expect(oomKillsIn(events)).to.equal(2);
    expect(oomKillsIn('oom_kill_disable 0\nunder_oom 0\noom_kill 7\n')).to.equal(7);
    expect(oomKillsIn('')).to.equal(undefined);
  });
});
