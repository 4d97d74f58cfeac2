const of = (prefix: string, ...names: string[]): string[] =>
  names.map((name) => `container_${prefix}${name}`);

/** What dashboards built for the kubelet's cAdvisor ask for, and what a conformance suite looks for. */
export const kubeletMetrics: readonly string[] = [
  ...of('cpu_', 'cfs_periods_total', 'cfs_throttled_periods_total', 'cfs_throttled_seconds_total'),
  ...of('cpu_', 'system_seconds_total', 'usage_seconds_total', 'user_seconds_total'),
  ...of('fs_', 'inodes_free', 'inodes_total', 'limit_bytes', 'usage_bytes'),
  ...of('memory_', 'cache', 'failcnt', 'failures_total', 'kernel_usage', 'mapped_file', 'max_usage_bytes'),
  ...of('memory_', 'rss', 'swap', 'usage_bytes', 'working_set_bytes'),
  ...['receive', 'transmit'].flatMap((way) =>
    of(`network_${way}_`, 'bytes_total', 'errors_total', 'packets_dropped_total', 'packets_total'),
  ),
  ...of('spec_cpu_', 'period', 'quota', 'shares'),
  ...of('spec_memory_', 'limit_bytes', 'reservation_limit_bytes', 'swap_limit_bytes'),
  ...of('', 'file_descriptors', 'processes', 'sockets', 'threads', 'threads_max', 'ulimits_soft'),
  ...of('', 'last_seen', 'oom_events_total', 'start_time_seconds'),
];

/** Those that a container has values of only where it has moved something, or the machine counts it. */
export const conditionalMetrics: readonly string[] = [
  ...of('', 'blkio_device_usage_total'),
  ...of('fs_', 'reads_bytes_total', 'reads_total', 'writes_bytes_total', 'writes_total'),
  ...of('hugetlb_', 'max_usage_bytes', 'usage_bytes'),
  ...['cpu', 'io', 'memory'].flatMap((resource) =>
    of(`pressure_${resource}_`, 'stalled_seconds_total', 'waiting_seconds_total'),
  ),
];
