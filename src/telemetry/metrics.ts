import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** What is reported of each finished CRI call, a client's or the agent's. */
export interface CriOperation {
  /** The rpc's name, e.g. `RunPodSandbox`. */
  operation: string;
  /** The gRPC code by name, `OK` for success. */
  code: string;
  durationMs: number;
}

export interface CriMetrics {
  criOperation(call: CriOperation): void;
}

export interface ImagePull {
  result: 'success' | 'failure';
  /** Bytes fetched from the registry, compressed. */
  bytes: number;
}

/** Number of objects in each state, e.g. `{ ready: 3, notready: 1 }`. */
export type StateCounts = Readonly<Record<string, number>>;

export interface MetricsOptions {
  version: string;
  /** Asked at each scrape. */
  podsByState?: () => StateCounts;
  containersByState?: () => StateCounts;
}

export interface LogUsageSample {
  labels: { uid: string; namespace: string; pod: string; container: string };
  bytes: number;
}

export interface Metrics extends CriMetrics {
  imagePull(pull: ImagePull): void;
  logRotation(outcome: 'success' | 'failure'): void;
  /** Tells where the sizes of containers' logs are read. */
  observeLogs(usage: () => LogUsageSample[]): void;
  /** Tells where the gauges read their numbers, once the rooms that know them exist. */
  observeStates(sources: { pods: () => StateCounts; containers: () => StateCounts }): void;
  readonly contentType: string;
  /** The whole exposition in Prometheus' text format. */
  expose(): Promise<string>;
  /** Stops the event-loop and garbage-collection observers. */
  close(): void;
}

/** From a cached status (1 ms) to a pull over a slow line (2 min). */
const durationBucketsSeconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120,
];

/** nodelet's own metrics in a registry of their own, so that two instances in one process don't mix. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  // Gauges that call themselves totals: Prometheus' conventions keep that suffix for counters.
  for (const misnamed of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`nodejs_active_${misnamed}_total`);
  }

  const operations = new Counter({
    name: 'nodelet_cri_operations_total',
    help: 'CRI calls that were finished, by rpc.',
    labelNames: ['operation'],
    registers,
  });
  const errors = new Counter({
    name: 'nodelet_cri_operation_errors_total',
    help: 'CRI calls that were answered with an error, by rpc and gRPC code.',
    labelNames: ['operation', 'code'],
    registers,
  });
  const durations = new Histogram({
    name: 'nodelet_cri_operation_duration_seconds',
    help: 'Time from the arrival of a CRI call to its answer, by rpc.',
    labelNames: ['operation'],
    buckets: durationBucketsSeconds,
    registers,
  });
  const pulls = new Counter({
    name: 'nodelet_image_pulls_total',
    help: 'Image pulls that were finished, by result.',
    labelNames: ['result'],
    registers,
  });
  const pulledBytes = new Counter({
    name: 'nodelet_image_pull_bytes_total',
    help: 'Compressed bytes that image pulls fetched from registries.',
    registers,
  });
  const rotations = new Counter({
    name: 'nodelet_log_rotations_total',
    help: 'Container logs that were moved away for a new one.',
    registers,
  });
  const rotationFailures = new Counter({
    name: 'nodelet_log_rotation_failures_total',
    help: 'Attempts to move a container log away that failed; they are made again.',
    registers,
  });
  let logUsage = (): LogUsageSample[] => [];
  new Gauge({
    name: 'kubelet_container_log_filesystem_used_bytes',
    help: "Bytes used by the container's logs on the filesystem.",
    labelNames: ['uid', 'namespace', 'pod', 'container'],
    registers,
    collect() {
      this.reset();
      for (const { labels, bytes } of logUsage()) this.set(labels, bytes);
    },
  });
  new Gauge({
    name: 'nodelet_build_info',
    help: 'Always 1; the labels tell the running version.',
    labelNames: ['version', 'node_version'],
    registers,
  }).set({ version: options.version, node_version: process.version }, 1);

  const none = (): StateCounts => ({});
  const sources = { pods: options.podsByState ?? none, containers: options.containersByState ?? none };
  const stateGauge = (what: keyof typeof sources): void => {
    new Gauge({
      name: `nodelet_${what}`,
      help: `Number of ${what} known to nodelet, by state.`,
      labelNames: ['state'],
      registers,
      collect() {
        this.reset();
        for (const [state, count] of Object.entries(sources[what]())) this.set({ state }, count);
      },
    });
  };
  stateGauge('pods');
  stateGauge('containers');

  return {
    criOperation: ({ operation, code, durationMs }) => {
      operations.inc({ operation });
      if (code !== 'OK') errors.inc({ operation, code });
      durations.observe({ operation }, durationMs / 1000);
    },
    imagePull: ({ result, bytes }) => {
      pulls.inc({ result });
      pulledBytes.inc(bytes);
    },
    logRotation: (outcome) => (outcome === 'success' ? rotations : rotationFailures).inc(),
    observeLogs: (usage) => void (logUsage = usage),
    observeStates: (given) => void Object.assign(sources, given),
    contentType: registry.contentType,
    expose: () => registry.metrics(),
    close: () => registry.clear(),
  };
}
