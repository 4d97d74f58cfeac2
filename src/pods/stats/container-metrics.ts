import type { Pressure } from '../../ports/cgroup-meter.js';
import type { FileSystemFacts } from '../../ports/usage-probes.js';
import type { MetricDefinition, MetricValue } from './metric-definition.js';
import { counter, gauge } from './metric-definition.js';
import type { DetailSample, UsageSample } from './usage-sample.js';
import type { LayerUsage } from './writable-layers.js';

/** What the metrics of one container are read from. */
export interface MeteredContainer {
  sample: UsageSample;
  detail: DetailSample;
  /** Undefined until its first walk has ended. */
  layer: LayerUsage | undefined;
  fileSystem: FileSystemFacts | undefined;
  startedAtNs: string;
  deviceName: (device: { major: number; minor: number }) => string;
}

type Definition = MetricDefinition<MeteredContainer>;

const seconds = (ns: number | undefined): number | undefined => (ns === undefined ? undefined : ns / 1e9);
/** No limit is zero, as in the kubelet's own metrics. */
const limit = (value: number | undefined): number => value ?? 0;

const cpu: Definition[] = [
  {
    ...counter<MeteredContainer>(
      'container_cpu_usage_seconds_total',
      'CPU time that the container has used on all CPUs together.',
      ({ sample }) => seconds(sample.reading.cpu?.usageNs),
    ),
    labels: ['cpu'],
    values: ({ sample: { reading } }) =>
      reading.cpu === undefined ? [] : [{ value: reading.cpu.usageNs / 1e9, labels: ['total'] }],
  },
  counter('container_cpu_user_seconds_total', 'CPU time that the container has used in user mode.', (c) =>
    seconds(c.detail.detail.cpu?.userNs),
  ),
  counter('container_cpu_system_seconds_total', 'CPU time that the container has used in the kernel.', (c) =>
    seconds(c.detail.detail.cpu?.systemNs),
  ),
  counter(
    'container_cpu_cfs_periods_total',
    'Scheduling periods in which the container ran under a CPU quota.',
    (c) => c.detail.detail.cpu?.periods,
  ),
  counter(
    'container_cpu_cfs_throttled_periods_total',
    'Scheduling periods in which the container ran out of its CPU quota.',
    (c) => c.detail.detail.cpu?.throttledPeriods,
  ),
  counter(
    'container_cpu_cfs_throttled_seconds_total',
    'Time for which the container was kept from running by its CPU quota.',
    (c) => seconds(c.detail.detail.cpu?.throttledNs),
  ),
];

const memory: Definition[] = [
  gauge(
    'container_memory_usage_bytes',
    'Memory charged to the container, page cache included.',
    (c) => c.sample.reading.memory?.usageBytes,
  ),
  gauge(
    'container_memory_working_set_bytes',
    'Memory of the container without the page cache that it has not used lately.',
    (c) => c.sample.reading.memory?.workingSetBytes,
  ),
  gauge(
    'container_memory_rss',
    'Anonymous memory of the container, in bytes.',
    (c) => c.sample.reading.memory?.rssBytes,
  ),
  gauge(
    'container_memory_cache',
    'Page cache charged to the container, in bytes.',
    (c) => c.sample.reading.memory?.cacheBytes,
  ),
  gauge(
    'container_memory_mapped_file',
    'Files that the container has mapped into memory, in bytes.',
    (c) => c.sample.reading.memory?.mappedFileBytes,
  ),
  gauge(
    'container_memory_total_active_file_bytes',
    'Page cache that the container has used lately.',
    (c) => c.sample.reading.memory?.activeFileBytes,
  ),
  gauge(
    'container_memory_total_inactive_file_bytes',
    'Page cache that the container has not used lately, the first to be reclaimed.',
    (c) => c.sample.reading.memory?.inactiveFileBytes,
  ),
  gauge('container_memory_swap', 'Memory of the container that is swapped out, in bytes.', ({ sample }) =>
    // A kernel that keeps no account of swap has none for containers.
    sample.reading.memory === undefined ? undefined : (sample.reading.memory.swap?.usageBytes ?? 0),
  ),
  gauge(
    'container_memory_kernel_usage',
    'Memory that the kernel holds for the container, in bytes.',
    (c) => c.detail.detail.memory?.kernelBytes,
  ),
  gauge(
    'container_memory_max_usage_bytes',
    'Highest memory usage of the container so far.',
    (c) => c.detail.detail.memory?.maxUsageBytes,
  ),
  counter(
    'container_memory_failcnt',
    'How often the container ran into its memory limit.',
    (c) => c.detail.detail.memory?.limitHits,
  ),
  {
    name: 'container_memory_failures_total',
    help: 'Page faults of the container, all and those that needed the disk, with and without groups below its own.',
    type: 'COUNTER',
    labels: ['failure_type', 'scope'],
    values: ({ sample, detail }) => {
      const all = sample.reading.memory;
      const own = detail.detail.memory;
      if (all === undefined || own === undefined) return [];
      return [
        { value: own.ownPageFaults, labels: ['pgfault', 'container'] },
        { value: all.pageFaults, labels: ['pgfault', 'hierarchy'] },
        { value: own.ownMajorPageFaults, labels: ['pgmajfault', 'container'] },
        { value: all.majorPageFaults, labels: ['pgmajfault', 'hierarchy'] },
      ];
    },
  },
  counter(
    'container_oom_events_total',
    'Processes of the container that were killed for want of memory.',
    (c) => c.detail.detail.memory?.oomKills,
  ),
];

/** Usage and size of the file system of the container's writable layer. */
function fileSystemGauge(
  name: string,
  help: string,
  read: (layer: LayerUsage, store: FileSystemFacts) => number,
): Definition {
  return {
    name,
    help,
    type: 'GAUGE',
    labels: ['device'],
    values: ({ layer, fileSystem }) =>
      layer === undefined || fileSystem === undefined
        ? []
        : [{ value: read(layer, fileSystem), labels: [fileSystem.device] }],
  };
}

function diskCounter(
  name: string,
  help: string,
  key: 'reads' | 'readBytes' | 'writes' | 'writtenBytes',
): Definition {
  return {
    name,
    help,
    type: 'COUNTER',
    labels: ['device'],
    values: ({ detail, deviceName }) =>
      detail.detail.disks.map((disk) => ({ value: disk[key], labels: [deviceName(disk)] })),
  };
}

const disks: Definition[] = [
  fileSystemGauge(
    'container_fs_usage_bytes',
    'What the container has written to its root file system.',
    (layer) => layer.bytes,
  ),
  fileSystemGauge(
    'container_fs_limit_bytes',
    'Size of the disk that the root file system is on.',
    (_, store) => store.capacityBytes,
  ),
  fileSystemGauge(
    'container_fs_inodes_total',
    'Inodes of the disk that the root file system is on.',
    (_, store) => store.inodes,
  ),
  fileSystemGauge(
    'container_fs_inodes_free',
    'Free inodes of the disk that the root file system is on.',
    (_, store) => store.freeInodes,
  ),
  diskCounter('container_fs_reads_total', 'Read requests of the container to a disk.', 'reads'),
  diskCounter(
    'container_fs_reads_bytes_total',
    'Bytes that the container has read from a disk.',
    'readBytes',
  ),
  diskCounter('container_fs_writes_total', 'Write requests of the container to a disk.', 'writes'),
  diskCounter(
    'container_fs_writes_bytes_total',
    'Bytes that the container has written to a disk.',
    'writtenBytes',
  ),
  {
    name: 'container_blkio_device_usage_total',
    help: 'Bytes that the container has moved from and to a disk, by direction.',
    type: 'COUNTER',
    labels: ['device', 'major', 'minor', 'operation'],
    values: ({ detail, deviceName }) =>
      detail.detail.disks.flatMap((disk): MetricValue[] => {
        const device = [deviceName(disk), String(disk.major), String(disk.minor)];
        return [
          { value: disk.readBytes, labels: [...device, 'read'] },
          { value: disk.writtenBytes, labels: [...device, 'write'] },
        ];
      }),
  },
];

const processes: Definition[] = [
  gauge('container_processes', 'Processes in the container.', (c) => c.detail.detail.pids.length),
  gauge('container_threads', 'Threads in the container.', (c) => c.sample.reading.tasks),
  gauge(
    'container_threads_max',
    'Threads that the container may have; 0 for no limit.',
    ({ sample, detail }) => (sample.reading.tasks === undefined ? undefined : limit(detail.detail.maxTasks)),
  ),
  gauge(
    'container_file_descriptors',
    'Open file descriptors of all processes in the container.',
    (c) => c.detail.files.descriptors,
  ),
  gauge(
    'container_sockets',
    'Open sockets of all processes in the container.',
    (c) => c.detail.files.sockets,
  ),
  {
    name: 'container_ulimits_soft',
    help: "Soft resource limits of the container's first process; left out where it is unlimited.",
    type: 'GAUGE',
    labels: ['ulimit'],
    values: ({ detail: { files } }) =>
      files.softLimit === undefined ? [] : [{ value: files.softLimit, labels: ['max_open_files'] }],
  },
];

const hugepages: Definition[] = [
  {
    name: 'container_hugetlb_usage_bytes',
    help: 'Huge pages that the container uses, by their size.',
    type: 'GAUGE',
    labels: ['pagesize'],
    values: ({ detail }) =>
      detail.detail.hugepages.map(({ size, usageBytes }) => ({ value: usageBytes, labels: [size] })),
  },
  {
    name: 'container_hugetlb_max_usage_bytes',
    help: 'Most huge pages that the container has used so far, by their size.',
    type: 'GAUGE',
    labels: ['pagesize'],
    values: ({ detail }) =>
      detail.detail.hugepages.map(({ size, usageBytes, maxUsageBytes }) => ({
        value: maxUsageBytes ?? usageBytes,
        labels: [size],
      })),
  },
];

const spec: Definition[] = [
  gauge(
    'container_spec_cpu_period',
    'Length of the scheduling period of the CPU quota, in microseconds.',
    (c) => c.detail.detail.cpu?.periodUs,
  ),
  gauge(
    'container_spec_cpu_quota',
    'CPU time in each period, in microseconds; left out where there is no limit.',
    (c) => c.detail.detail.cpu?.quotaUs,
  ),
  gauge(
    'container_spec_cpu_shares',
    'Share of the CPUs when they are contended for.',
    (c) => c.detail.detail.cpu?.shares,
  ),
  gauge('container_spec_memory_limit_bytes', 'Memory limit; 0 for none.', ({ sample: { reading } }) =>
    reading.memory === undefined ? undefined : limit(reading.memory.limitBytes),
  ),
  gauge(
    'container_spec_memory_reservation_limit_bytes',
    'Memory that is spared when others are short of it; 0 for none.',
    ({ detail: { detail } }) =>
      detail.memory === undefined ? undefined : limit(detail.memory.reservationBytes),
  ),
  gauge('container_spec_memory_swap_limit_bytes', 'Swap limit; 0 for none.', ({ sample: { reading } }) =>
    reading.memory === undefined ? undefined : limit(reading.memory.swap?.limitBytes),
  ),
];

const life: Definition[] = [
  gauge('container_start_time_seconds', 'When the container was started, in seconds since the epoch.', (c) =>
    seconds(Number(c.startedAtNs)),
  ),
  gauge('container_last_seen', 'When the container was sampled last, in seconds since the epoch.', (c) =>
    seconds(Number(c.sample.timestampNs)),
  ),
];

/** `waiting`: some of the tasks stood still, `stalled`: all of them did. */
function pressure(resource: string, of: (container: MeteredContainer) => Pressure | undefined): Definition[] {
  return [
    counter(
      `container_pressure_${resource}_waiting_seconds_total`,
      `Time for which some tasks of the container stood still for want of ${resource}.`,
      (container) => seconds(of(container)?.some.totalNs),
    ),
    counter(
      `container_pressure_${resource}_stalled_seconds_total`,
      `Time for which all tasks of the container stood still for want of ${resource}.`,
      (container) => seconds(of(container)?.full.totalNs),
    ),
  ];
}

/** The metrics of one container, with the names that the kubelet's own collector gives them. */
export const containerMetrics: readonly Definition[] = [
  ...cpu,
  ...memory,
  ...disks,
  ...processes,
  ...hugepages,
  ...spec,
  ...life,
  ...pressure('cpu', ({ sample }) => sample.reading.cpu?.pressure),
  ...pressure('memory', ({ sample }) => sample.reading.memory?.pressure),
  ...pressure('io', ({ sample }) => sample.reading.ioPressure),
];
