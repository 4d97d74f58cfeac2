import type { FileSystemFacts } from '../../ports/usage-probes.js';
import type { MetricDefinition } from './metric-definition.js';
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

export type ContainerMetric = MetricDefinition<MeteredContainer>;

/** Nanoseconds as seconds. */
export const seconds = (ns: number | undefined): number | undefined =>
  ns === undefined ? undefined : ns / 1e9;
/** No limit is zero, as in the kubelet's own metrics. */
export const limit = (value: number | undefined): number => value ?? 0;
