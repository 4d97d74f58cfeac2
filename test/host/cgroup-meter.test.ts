import fs from 'node:fs';
import { expect } from 'chai';
import { detailV1, readingV1 } from '../../src/host/cgroup-meter-v1.js';
import { detailV2, readingV2 } from '../../src/host/cgroup-meter-v2.js';
import { disksInBlkio } from '../../src/host/cgroup-text.js';

/** Files of one group by their names: v1 as Linux 6.18 had them, v2 in the form of the kernel's documents. */
const recorded = (name: string) =>
  JSON.parse(fs.readFileSync(`test/data/${name}.json`, 'utf8')) as Record<string, string>;
const [v1, v2] = [recorded('cgroup-v1'), recorded('cgroup-v2')];
const readerV1 =
  (changes: Record<string, string | undefined> = {}) =>
  (controller: string, file: string) =>
    ({ ...v1, ...changes })[`${controller}/${file}`];
const readerV2 =
  (changes: Record<string, string | undefined> = {}) =>
  (file: string) =>
    ({ ...v2, ...changes })[file];
const memory = {
  usageBytes: 43_454_464,
  workingSetBytes: 43_454_464 - 41_984_000,
  limitBytes: 67_108_864,
  rssBytes: 4096,
  cacheBytes: 42_082_304,
  activeFileBytes: 98_304,
  inactiveFileBytes: 41_984_000,
  pageFaults: 753,
  majorPageFaults: 2,
};

describe('host: counters of a cgroup v1', () => {
  it('are put together from the files of all hierarchies', () => {
    const reading = readingV1(readerV1());
    expect(reading?.cpu).to.deep.equal({ usageNs: 315_185_205, pressure: undefined });
    expect(reading?.memory).to.deep.include(memory);
    expect(reading?.memory?.swap).to.deep.equal({ usageBytes: 0, limitBytes: 16 * 1024 * 1024 });
    expect(reading?.tasks).to.equal(1);
  });

  it('tell in detail of quotas, of high water and of huge pages', () => {
    const detail = detailV1(readerV1(), ['2MB']);
    expect(detail?.cpu).to.deep.equal({
      userNs: 190_000_000,
      systemNs: 110_000_000,
      periods: 26,
      throttledPeriods: 0,
      throttledNs: 0,
      shares: 512,
      periodUs: 100_000,
      quotaUs: 20_000,
    });
    expect(detail?.memory).to.deep.include({
      maxUsageBytes: 44_834_816,
      kernelBytes: 1_155_072,
      oomKills: 0,
    });
    expect(detail?.memory?.reservationBytes).to.equal(undefined);
    expect(detail).to.deep.include({ maxTasks: 100, pids: [26_680], disks: [] });
    expect(detail?.hugepages).to.deep.equal([{ size: '2MB', usageBytes: 0, maxUsageBytes: 0 }]);
  });

  it('have no limit where the kernel writes its largest number, and no swap where it keeps no account', () => {
    const none = '9223372036854771712\n';
    const unlimited = readingV1(
      readerV1({ 'memory/memory.limit_in_bytes': none, 'memory/memory.memsw.limit_in_bytes': none }),
    );
    expect(unlimited?.memory?.limitBytes).to.equal(undefined);
    expect(unlimited?.memory?.swap).to.deep.equal({ usageBytes: 0, limitBytes: undefined });
    const stat = v1['memory/memory.stat']?.replace(/^(total_)?swap .*\n/gm, '');
    expect(readingV1(readerV1({ 'memory/memory.stat': stat }))?.memory?.swap).to.equal(undefined);
  });

  it('are undefined for a group that is gone', () => {
    expect(readingV1(() => undefined)).to.equal(undefined);
    expect(detailV1(() => undefined, ['2MB'])).to.equal(undefined);
  });

  it('add up reads and writes of each disk, and leave the totals out', () => {
    const operations = '254:0 Read 40\n254:0 Write 1\n254:0 Sync 1\n254:0 Total 41\n7:1 Read 2\nTotal 43\n';
    const bytes = '254:0 Read 4096\n254:0 Write 512\nTotal 4608\n';
    expect(disksInBlkio({ operations, bytes })).to.deep.equal([
      { major: 254, minor: 0, reads: 40, readBytes: 4096, writes: 1, writtenBytes: 512 },
      { major: 7, minor: 1, reads: 2, readBytes: 0, writes: 0, writtenBytes: 0 },
    ]);
  });
});

describe('host: counters of a cgroup v2', () => {
  it('come from the files of its one folder, with the pressure in nanoseconds', () => {
    const reading = readingV2(readerV2(), { pressure: true });
    expect(reading?.cpu?.usageNs).to.equal(315_185_000);
    expect(reading?.cpu?.pressure).to.deep.equal({
      some: { totalNs: 61_020_000, avg10: 1.5, avg60: 0.75, avg300: 0.1 },
      full: { totalNs: 40_010_000, avg10: 0.5, avg60: 0.25, avg300: 0.05 },
    });
    expect(reading?.memory).to.deep.include({ ...memory, mappedFileBytes: 12_288 });
    expect(reading?.memory?.swap).to.deep.equal({ usageBytes: 8192, limitBytes: 16 * 1024 * 1024 });
    expect(reading?.memory?.pressure?.full.totalNs).to.equal(11_000);
    expect([reading?.tasks, reading?.ioPressure?.some.totalNs]).to.deep.equal([3, 500_000]);
  });

  it('tell in detail of quotas, events and disks', () => {
    const detail = detailV2(readerV2(), ['2MB']);
    expect(detail?.cpu).to.deep.include({
      userNs: 201_042_000,
      throttledPeriods: 4,
      throttledNs: 61_020_000,
    });
    expect(detail?.cpu).to.deep.include({ periodUs: 100_000, quotaUs: 20_000 });
    expect(detail?.cpu?.shares).to.be.within(990, 1024);
    expect(detail?.memory).to.deep.equal({
      maxUsageBytes: 44_834_816,
      kernelBytes: 1_155_072,
      limitHits: 7,
      oomKills: 1,
      reservationBytes: 16_777_216,
      ownPageFaults: 753,
      ownMajorPageFaults: 2,
    });
    expect(detail).to.deep.include({ maxTasks: undefined, pids: [26_680, 26_681] });
    expect(detail?.disks[0]).to.deep.equal({
      major: 254,
      minor: 0,
      reads: 40,
      readBytes: 41_943_040,
      writes: 1,
      writtenBytes: 4096,
    });
    expect(detail?.hugepages).to.deep.equal([
      { size: '2MB', usageBytes: 4_194_304, maxUsageBytes: undefined },
    ]);
  });

  it('do without what older kernels lack, and without what is not limited', () => {
    const older = readerV2({
      'memory.peak': undefined,
      'memory.swap.current': undefined,
      'memory.max': 'max\n',
      'memory.low': '0\n',
      'cpu.max': 'max 100000\n',
      'memory.stat': v2['memory.stat']?.replace(/^kernel .*\n/m, ''),
    });
    const [reading, detail] = [readingV2(older, { pressure: false }), detailV2(older, [])];
    expect(reading?.memory).to.deep.include({ limitBytes: undefined, swap: undefined, pressure: undefined });
    expect(reading?.cpu?.pressure).to.equal(undefined);
    expect(detail?.memory).to.deep.include({ maxUsageBytes: undefined, reservationBytes: undefined });
    expect(detail?.memory?.kernelBytes).to.equal(16_384 + 45_056 + 1728 + 1_000_000);
    expect(detail?.cpu).to.deep.include({ quotaUs: undefined, periodUs: 100_000 });
  });

  it('are undefined for a group that is gone, and without memory where only the CPU is counted', () => {
    expect(readingV2(() => undefined, { pressure: true })).to.equal(undefined);
    const bare = readerV2({ 'memory.current': undefined, 'pids.current': undefined });
    expect(readingV2(bare, { pressure: true })).to.deep.include({ memory: undefined, tasks: undefined });
  });
});
