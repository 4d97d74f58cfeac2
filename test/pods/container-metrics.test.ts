import { expect } from 'chai';
import { containerMetrics } from '../../src/pods/stats/container-metrics.js';
import type { MeteredContainer } from '../../src/pods/stats/metered-container.js';
import { describeMetric, metricsOf } from '../../src/pods/stats/metric-definition.js';
import { networkMetrics } from '../../src/pods/stats/network-metrics.js';
import { conditionalMetrics, kubeletMetrics } from './metric-names.js';
import { fullDetailSample, fullSample } from './stats-doubles.js';

const container: MeteredContainer = {
  sample: fullSample(),
  detail: fullDetailSample(),
  layer: { timestampNs: '1', bytes: 4096, inodes: 2 },
  fileSystem: {
    device: '/dev/vda',
    capacityBytes: 1_000_000,
    availableBytes: 500_000,
    inodes: 100,
    freeInodes: 40,
  },
  startedAtNs: '1700000000500000000',
  deviceName: ({ major, minor }) => `/dev/${major}-${minor}`,
};
const labels = { id: 'c1', name: 'web', image: 'i', namespace: 'ns', pod: 'p', container: 'web' };
const counters = (bytes: number) => ({ bytes, packets: bytes + 1, errors: bytes + 2, dropped: bytes + 3 });
const all = [
  ...metricsOf(containerMetrics, { subject: container, labels, timestampNs: '5' }),
  ...metricsOf(networkMetrics, {
    subject: { received: counters(10), sent: counters(20) },
    labels,
    timestampNs: '5',
  }),
];
const descriptors = [...containerMetrics.map(describeMetric), ...networkMetrics.map(describeMetric)];
const values = (name: string) =>
  all.filter((metric) => metric.name === name).map(({ value }) => Number(value?.value));

describe('pods: metrics of pods and containers', () => {
  it('have all names that the kubelet and its dashboards know, each once, and a help', () => {
    const names = descriptors.map(({ name }) => name);
    expect(names).to.include.members([...kubeletMetrics, ...conditionalMetrics]);
    expect(new Set(names).size).to.equal(names.length);
    for (const { name, help } of descriptors) expect(help, name).to.match(/^[A-Z].{15,}\.$/);
  });

  it('have as many label values as their descriptors have keys, in the same order', () => {
    const keys = new Map(descriptors.map(({ name, label_keys }) => [name, label_keys]));
    for (const { name, label_values, timestamp } of all) {
      expect(label_values.length, name).to.equal(keys.get(name)?.length);
      expect(label_values.slice(0, 6), name).to.deep.equal(['c1', 'web', 'i', 'ns', 'p', 'web']);
      expect(timestamp).to.equal('5');
    }
    expect(new Set(all.map(({ name }) => name))).to.deep.equal(new Set(keys.keys()));
    expect(keys.get('container_blkio_device_usage_total')?.slice(6)).to.deep.equal([
      'device',
      'major',
      'minor',
      'operation',
    ]);
    const disk = all.filter(({ name }) => name === 'container_blkio_device_usage_total');
    expect(disk.map(({ label_values }) => label_values.slice(6))).to.deep.equal([
      ['/dev/254-0', '254', '0', 'read'],
      ['/dev/254-0', '254', '0', 'write'],
    ]);
  });

  it('are counters where they are totals, and gauges elsewhere', () => {
    const totals = all.filter(({ metric_type }) => metric_type === 'COUNTER').map(({ name }) => name);
    for (const name of totals) expect(name).to.match(/_total$|_failcnt$/);
    const gauges = all.filter(({ metric_type }) => metric_type === 'GAUGE').map(({ name }) => name);
    // That one is how many there are in total.
    const misnamed = gauges.filter((name) => name.endsWith('_total'));
    expect(misnamed).to.deep.equal(['container_fs_inodes_total']);
  });

  it('give seconds as whole seconds, which is all that CRI has room for', () => {
    expect(values('container_cpu_usage_seconds_total')).to.deep.equal([7]);
    expect(values('container_cpu_cfs_throttled_seconds_total')).to.deep.equal([1]);
    expect(values('container_pressure_io_waiting_seconds_total')).to.deep.equal([2]);
    expect(values('container_pressure_cpu_stalled_seconds_total')).to.deep.equal([1]);
    expect(values('container_start_time_seconds')).to.deep.equal([1_700_000_000]);
    expect(values('container_last_seen')).to.deep.equal([1_700_000_010]);
  });

  it('say 0 for a limit that there is none of', () => {
    expect(values('container_threads_max')).to.deep.equal([0]);
    expect(values('container_spec_memory_reservation_limit_bytes')).to.deep.equal([0]);
    expect(values('container_spec_memory_limit_bytes')).to.deep.equal([4000]);
  });

  it("turn the traffic of the host's end into that of the pod", () => {
    expect(values('container_network_receive_bytes_total')).to.deep.equal([20]);
    expect(values('container_network_transmit_packets_total')).to.deep.equal([11]);
    expect(values('container_network_receive_errors_total')).to.deep.equal([22]);
    expect(values('container_network_transmit_packets_dropped_total')).to.deep.equal([13]);
  });

  it('leave out what the machine does not count', () => {
    const { sample, detail } = container;
    const bare: MeteredContainer = {
      ...container,
      sample: {
        ...sample,
        reading: { cpu: undefined, memory: undefined, tasks: undefined, ioPressure: undefined },
      },
      detail: {
        ...detail,
        detail: { ...detail.detail, cpu: undefined, memory: undefined, disks: [], hugepages: [] },
        files: { descriptors: 0, sockets: 0, softLimit: undefined },
      },
      layer: undefined,
    };
    const names = metricsOf(containerMetrics, { subject: bare, labels, timestampNs: '5' }).map(
      ({ name }) => name,
    );
    expect(names).to.deep.equal([
      'container_processes',
      'container_file_descriptors',
      'container_sockets',
      'container_start_time_seconds',
      'container_last_seen',
    ]);
  });
});
