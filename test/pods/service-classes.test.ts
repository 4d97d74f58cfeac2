import { expect } from 'chai';
import { NodeletError } from '../../src/base/errors.js';
import type { FileStat } from '../../src/ports/files.js';
import { matchingBlockDevices } from '../../src/pods/devices/block-devices.js';
import { blameClass, serviceClasses } from '../../src/pods/devices/service-classes.js';

const base = { sizeBytes: 0, mode: 0o600, uid: 0, gid: 0, mtimeMs: 0 };
const disk = (minor: number): FileStat => ({
  ...base,
  kind: 'other',
  device: { type: 'b', major: 8, minor },
});
const text: FileStat = { ...base, kind: 'file' };

/** A machine with two disks, one of which has a partition and a name by its serial number. */
function machine(more: Record<string, FileStat> = {}) {
  const tree: Record<string, FileStat> = {
    '/dev/sda': disk(0),
    '/dev/sda1': disk(1),
    '/dev/sdb': disk(16),
    '/dev/null': { ...base, kind: 'other', device: { type: 'c', major: 1, minor: 3 } },
    '/sys/dev/block/8:1/partition': text,
    ...more,
  };
  const links: Record<string, string> = { '/dev/disk/by-id/serial-7': '/dev/sdb' };
  const paths = [...Object.keys(tree), ...Object.keys(links)];
  return {
    list: async (dir: string) =>
      paths
        .filter((path) => path.startsWith(`${dir}/`))
        .map((path) => path.slice(dir.length + 1).split('/')[0] ?? ''),
    stat: async (path: string) => tree[path],
    realPath: async (path: string) => links[path] ?? (path in tree ? path : undefined),
  };
}

describe('pods: classes of block I/O and of caches', () => {
  const blockIoClasses = {
    slow: [
      { devices: [], weight: 50 },
      { devices: ['/dev/sda'], weight: 20, throttleReadBps: 100 },
      { devices: ['/dev/sd*', '/dev/disk/by-id/*'], throttleWriteIops: 7 },
    ],
    elsewhere: [{ devices: ['/dev/nvme*'], weight: 20 }],
  };
  const rdtClasses = { gold: { l3CacheSchema: 'L3:0=f' } };
  const resolve = (annotations: Record<string, string>, files = machine()) =>
    serviceClasses(
      { name: 'c', annotations, podAnnotations: {} },
      { files, config: { blockIoClasses, rdtClasses } },
    );
  const blockIo = (name: string) => ({ 'io.kubernetes.cri.blockio-class': name });
  const rdt = (name: string) => ({ 'io.kubernetes.cri.rdt-class': name });
  const failure = (call: Promise<unknown>): Promise<unknown> => call.catch((thrown: unknown) => thrown);

  it('find disks by pattern, each once, without partitions and what is no disk', async () => {
    const numbers = async (pattern: string) =>
      (await matchingBlockDevices(machine(), pattern)).map(({ minor }) => minor);
    expect(await numbers('/dev/*')).to.deep.equal([0, 16]);
    expect(await numbers('/dev/sd?')).to.deep.equal([0, 16]);
    expect(await numbers('/dev/disk/by-id/*-7')).to.deep.equal([16]);
    for (const pattern of ['/dev/sda1', '/dev/null', '/dev/s.a', '/none/*']) {
      expect(await numbers(pattern), pattern).to.deep.equal([]);
    }
  });

  it('become limits of the disks that they name', async () => {
    const [sda, sdb] = [
      { major: 8, minor: 0 },
      { major: 8, minor: 16 },
    ];
    expect((await resolve(blockIo('slow'))).blockIo).to.deep.equal({
      weight: 50,
      weightDevice: [{ ...sda, weight: 20 }],
      throttleReadBpsDevice: [{ ...sda, rate: 100 }],
      throttleWriteIOPSDevice: [
        { ...sda, rate: 7 },
        { ...sdb, rate: 7 },
      ],
    });
    expect(await resolve({})).to.deep.equal({ blockIo: undefined, intelRdt: undefined });
  });

  it('that the configuration or the machine lacks are refused by the annotation', async () => {
    const field = 'config.annotations["io.kubernetes.cri.blockio-class"]';
    expect(await failure(resolve(blockIo('fast')))).to.include({ kind: 'not-found', field });
    expect(await failure(resolve(blockIo('toString')))).to.include({ kind: 'not-found', field });
    expect(await failure(resolve(blockIo('elsewhere')))).to.include({ kind: 'unsupported', field });
  });

  it("that an OCI runtime stumbles over are the annotation's fault, other failures are not", () => {
    const container = { name: 'c', annotations: blockIo('slow'), podAnnotations: {} };
    const failed = (message: string) => new NodeletError('tool-failed', message);
    const blamed = blameClass(failed('opening file `blkio.weight`: No such file'), container);
    expect(blamed).to.include({
      kind: 'unsupported',
      field: 'config.annotations["io.kubernetes.cri.blockio-class"]',
    });
    for (const other of [failed('open executable'), new Error('blkio.weight'), failed('resctrl: EINVAL')]) {
      expect(blameClass(other, container)).to.equal(other);
    }
  });

  it('of caches need resctrl, and a group that is there or configured', async () => {
    const field = 'config.annotations["io.kubernetes.cri.rdt-class"]';
    expect(await failure(resolve(rdt('gold')))).to.include({ kind: 'unsupported', field });
    const able = machine({ '/sys/fs/resctrl/schemata': text, '/sys/fs/resctrl/made/schemata': text });
    expect((await resolve(rdt('gold'), able)).intelRdt).to.deep.equal({
      closID: 'gold',
      l3CacheSchema: 'L3:0=f',
    });
    expect((await resolve(rdt('made'), able)).intelRdt).to.deep.equal({ closID: 'made' });
    for (const name of ['none', '../resctrl']) {
      expect(await failure(resolve(rdt(name), able)), name).to.include({ kind: 'not-found', field });
    }
  });
});
