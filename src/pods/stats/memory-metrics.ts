import type { ContainerMetric } from './metered-container.js';
import { counter, gauge } from './metric-definition.js';

/** Metrics of a container's memory. */
export const memoryMetrics: readonly ContainerMetric[] = [
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
