import { NodeletError } from '../../base/errors.js';
import type {
  ContainerStats,
  ContainerStatsFilter,
  PodSandboxMetrics,
  PodSandboxStats,
} from '../../ports/cri/messages.js';
import {
  newContainerFilter,
  newContainerMetrics,
  newContainerStatsResponse,
  newListContainerStatsResponse,
  newListMetricDescriptorsResponse,
  newListPodSandboxMetricsResponse,
  newListPodSandboxStatsResponse,
  newPodSandboxFilter,
  newPodSandboxMetrics,
  newPodSandboxStatsResponse,
} from '../../ports/cri/messages.js';
import type { RuntimeVerbs } from '../../ports/cri/runtime.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import { containerMatches, sandboxMatches } from '../messages.js';
import type { Pods } from '../pods.js';
import { containerMetrics } from './container-metrics.js';
import { inTurns } from './in-turns.js';
import type { BaseLabels } from './metric-definition.js';
import { describeMetric, metricsOf } from './metric-definition.js';
import { networkMetrics } from './network-metrics.js';
import { containerTarget, isSampledContainer, isSampledPod, podTarget } from './sample-targets.js';
import { containerStats, podSandboxStats } from './stats-messages.js';
import type { UsageSample } from './usage-sample.js';
import type { UsageSampler } from './usage-sampler.js';
import type { LayerUsage, WritableLayers } from './writable-layers.js';

/** CRI's verbs about what pods and containers use: all from what was sampled, but for what is too new to have been. */
export function statsVerbs(pods: Pods, sampler: UsageSampler, layers: WritableLayers) {
  const { ledger } = pods;
  const { network, config, host } = pods.parts;

  /** What was told of a sample last, frozen, so that it is encoded once (cri/message-writer.ts). */
  const told = new WeakMap<
    UsageSample,
    { record: ContainerRecord; layer: LayerUsage | undefined; stats: ContainerStats }
  >();
  const statsOfContainer = (record: ContainerRecord): ContainerStats => {
    // The last sample of one that has ended is of the past.
    const sample = isSampledContainer(record) ? sampler.sample(record.id) : undefined;
    const layer = layers.usage(record.id);
    const known = sample && told.get(sample);
    if (known?.record === record && known.layer === layer) return known.stats;
    const stats = Object.freeze(containerStats(record, { sample, layer, storeDir: config.rootDir }));
    if (sample !== undefined) told.set(sample, { record, layer, stats });
    return stats;
  };
  const ensureContainers = async (records: readonly ContainerRecord[]): Promise<void> => {
    const running = records.filter(isSampledContainer);
    await Promise.all([
      sampler.ensureSamples(running.map(containerTarget)),
      layers.ensure(records.map(({ id }) => id)),
    ]);
  };
  const ensurePods = async (records: readonly SandboxRecord[]): Promise<void> => {
    await Promise.all([
      sampler.ensureSamples(records.map(podTarget)),
      sampler.ensureTraffic(records.flatMap((record) => linkNameOf(record) ?? [])),
      ensureContainers(records.flatMap(runningIn)),
    ]);
  };
  const runningIn = ({ id }: SandboxRecord) => ledger.containersOf(id).filter(isSampledContainer);
  /** A pod on the host's network has no link of its own, and one without a network none at all. */
  const linkNameOf = ({ id, networkMode }: SandboxRecord) =>
    networkMode === 'bridge' ? network.hostInterface(id) : undefined;
  const linkOf = (record: SandboxRecord) => {
    const name = linkNameOf(record);
    return name === undefined ? undefined : sampler.traffic(name);
  };
  const statsOfPod = (record: SandboxRecord): PodSandboxStats =>
    podSandboxStats(record, {
      sample: sampler.sample(record.id),
      link: linkOf(record),
      containers: runningIn(record).map(statsOfContainer),
    });

  const labelsOf = (sandbox: SandboxRecord, container?: ContainerRecord): BaseLabels => {
    const { name: pod = '', namespace = '' } = sandbox.config.metadata ?? {};
    const name = container?.config.metadata?.name ?? 'POD';
    return {
      id: container?.id ?? sandbox.id,
      name,
      image: container?.imageRef ?? '',
      namespace,
      pod,
      container: name,
    };
  };
  const metricsOfContainer = (sandbox: SandboxRecord, record: ContainerRecord) => {
    const [sample, detail] = [sampler.sample(record.id), sampler.detail(record.id)];
    if (sample === undefined || detail === undefined) return [];
    const subject = {
      sample,
      detail,
      layer: layers.usage(record.id),
      fileSystem: layers.fileSystem(),
      startedAtNs: record.startedAtNs,
      deviceName: (device: { major: number; minor: number }) => host.usageProbes.deviceName(device),
    };
    const labels = labelsOf(sandbox, record);
    return [
      newContainerMetrics({
        container_id: record.id,
        metrics: metricsOf(containerMetrics, { subject, labels, timestampNs: sample.timestampNs }),
      }),
    ];
  };
  const metricsOfPod = (sandbox: SandboxRecord): PodSandboxMetrics => {
    const link = linkOf(sandbox);
    return newPodSandboxMetrics({
      pod_sandbox_id: sandbox.id,
      metrics:
        link === undefined
          ? []
          : metricsOf(networkMetrics, {
              subject: link.traffic,
              labels: labelsOf(sandbox),
              timestampNs: link.timestampNs,
            }),
      container_metrics: runningIn(sandbox).flatMap((record) => metricsOfContainer(sandbox, record)),
    });
  };
  const descriptors = newListMetricDescriptorsResponse({
    descriptors: [...containerMetrics.map(describeMetric), ...networkMetrics.map(describeMetric)],
  });

  return {
    ContainerStats: async (request) => {
      await ensureContainers([ledger.findContainer(request.container_id)]);
      return newContainerStatsResponse({
        stats: statsOfContainer(ledger.findContainer(request.container_id)),
      });
    },
    ListContainerStats: async ({ filter }) => {
      const records = ledger
        .allContainers()
        .filter(
          (record) => isSampledContainer(record) && containerMatches(record, asContainerFilter(filter)),
        );
      await ensureContainers(records);
      return newListContainerStatsResponse({ stats: records.map(statsOfContainer) });
    },
    PodSandboxStats: async (request) => {
      const record = ledger.findSandbox(request.pod_sandbox_id);
      if (!isSampledPod(record)) {
        throw new NodeletError(
          'wrong-state',
          `sandbox ${record.id} is ${record.stage}: it has no usage to tell`,
          {
            field: 'pod_sandbox_id',
          },
        );
      }
      await ensurePods([record]);
      return newPodSandboxStatsResponse({ stats: statsOfPod(record) });
    },
    ListPodSandboxStats: async ({ filter }) => {
      const records = ledger
        .allSandboxes()
        .filter(
          (record) =>
            isSampledPod(record) &&
            sandboxMatches(record, filter === null ? null : newPodSandboxFilter({ ...filter, state: null })),
        );
      await ensurePods(records);
      return newListPodSandboxStatsResponse({ stats: records.map(statsOfPod) });
    },
    ListMetricDescriptors: async () => descriptors,
    ListPodSandboxMetrics: async () => {
      const records = ledger.allSandboxes().filter(isSampledPod);
      await ensurePods(records);
      await sampler.ensureDetails(records.flatMap(runningIn).map(containerTarget));
      const pod_metrics: PodSandboxMetrics[] = [];
      await inTurns(host.clock, { items: records }, (record) => void pod_metrics.push(metricsOfPod(record)));
      return newListPodSandboxMetricsResponse({ pod_metrics });
    },
  } satisfies Partial<RuntimeVerbs>;
}

const asContainerFilter = (filter: ContainerStatsFilter | null) =>
  filter === null ? null : newContainerFilter({ ...filter, state: null });
