import type { Pods } from '../pods.js';
import { containerTarget, isSampledContainer, isSampledPod, podTarget } from './sample-targets.js';
import { statsVerbs } from './stats-verbs.js';
import { UsageSampler } from './usage-sampler.js';
import { WritableLayers } from './writable-layers.js';

/** What pods and containers use: sampled in the background while it runs, told by its verbs (ADR 10). */
export interface Stats {
  verbs: ReturnType<typeof statsVerbs>;
  start(): void;
  stop(): Promise<void>;
}

export function createStats(pods: Pods): Stats {
  const { host, log, config, images } = pods.parts;
  const sampler = new UsageSampler({
    host,
    log,
    housekeepingMs: config.stats.housekeepingMs,
    containers: () => pods.ledger.allContainers().filter(isSampledContainer).map(containerTarget),
    pods: () => pods.ledger.allSandboxes().filter(isSampledPod).map(podTarget),
  });
  const layers = new WritableLayers({
    host,
    log,
    storeDir: config.rootDir,
    periodMs: config.stats.layerPeriodMs,
    layers: () =>
      pods.ledger
        .allContainers()
        .filter(({ stage }) => stage !== 'creating' && stage !== 'removing')
        .map(({ id }) => ({ id, dir: images.snapshots.writableDir(id) })),
  });
  return {
    verbs: statsVerbs(pods, sampler, layers),
    start: () => {
      sampler.start();
      layers.start();
    },
    stop: async () => {
      await Promise.all([sampler.stop(), layers.stop()]);
    },
  };
}
