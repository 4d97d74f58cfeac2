import type { Pressure } from '../../ports/cgroup-meter.js';
import { diskMetrics } from './disk-metrics.js';
import { memoryMetrics } from './memory-metrics.js';
import type { ContainerMetric, MeteredContainer } from './metered-container.js';
import { limit, seconds } from './metered-container.js';
import { counter, gauge } from './metric-definition.js';

const cpu: ContainerMetric[] = [
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

const processes: ContainerMetric[] = [
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

const hugepages: ContainerMetric[] = [
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

const spec: ContainerMetric[] = [
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

const life: ContainerMetric[] = [
  gauge('container_start_time_seconds', 'When the container was started, in seconds since the epoch.', (c) =>
    seconds(Number(c.startedAtNs)),
  ),
  gauge('container_last_seen', 'When the container was sampled last, in seconds since the epoch.', (c) =>
    seconds(Number(c.sample.timestampNs)),
  ),
];

/** `waiting`: some of the tasks stood still, `stalled`: all of them did. */
function pressure(
  resource: string,
  of: (container: MeteredContainer) => Pressure | undefined,
): ContainerMetric[] {
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
export const containerMetrics: readonly ContainerMetric[] = [
  ...cpu,
  ...memoryMetrics,
  ...diskMetrics,
  ...processes,
  ...hugepages,
  ...spec,
  ...life,
  ...pressure('cpu', ({ sample }) => sample.reading.cpu?.pressure),
  ...pressure('memory', ({ sample }) => sample.reading.memory?.pressure),
  ...pressure('io', ({ sample }) => sample.reading.ioPressure),
];
