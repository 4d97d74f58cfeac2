import type { Log } from '../base/call-context.js';
import type { ContainerId } from '../base/ids.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import type { Images } from '../images/images.js';
import type { PodNetwork } from '../network/pod-network.js';
import type { StreamingSessions } from '../ports/cri/streaming.js';
import type { Host } from '../ports/host.js';
import type { ContainerRunner } from '../runtime/container-runner.js';
import type { MachineLimits } from '../spec/machine-limits.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import { AppArmorProfiles } from './security/app-armor.js';
import type { StatsConfigSection } from '../spec/config/node-config.js';
import { Ledger } from './ledger.js';
import { LifeEvents } from './events/life-events.js';
import type { SecurityParts } from './security/process-security.js';

export interface PodsConfig extends Pick<NodeConfig, 'cdiDirs' | 'blockIoClasses' | 'rdtClasses'> {
  rootDir: string;
  runDir: string;
  cgroupParent: string;
  stats: StatsConfigSection;
}

export interface PodsParts {
  config: PodsConfig;
  limits: MachineLimits;
  host: Pick<
    Host,
    | 'clock'
    | 'random'
    | 'files'
    | 'mounts'
    | 'namespaces'
    | 'processes'
    | 'connections'
    | 'cgroups'
    | 'cgroupMeters'
    | 'usageProbes'
    | 'links'
    | 'store'
  >;
  images: Images;
  network: PodNetwork;
  runner: ContainerRunner;
  /** Where interactive sessions are offered to clients. */
  streams: StreamingSessions;
  log: Log;
}

/** What the services of this room share: the parts, the records, and one serial queue per pod. */
export class Pods {
  readonly ledger: Ledger;
  readonly events: LifeEvents;
  readonly queue = new KeyedQueue<string>();
  /** Running containers that nodelet has sent SIGKILL: their end is no OOM kill, whatever their cgroup has counted. */
  readonly killed = new Set<ContainerId>();

  /** What resolving a security context takes. */
  readonly securityParts: SecurityParts;

  constructor(readonly parts: PodsParts) {
    this.ledger = new Ledger(parts.host.store);
    const { host, limits } = parts;
    this.securityParts = { files: host.files, limits, appArmor: new AppArmorProfiles(host) };
    this.events = new LifeEvents(this.ledger, () => parts.host.clock.nowNs());
  }

  sandboxDir(id: string): string {
    return `${this.parts.config.runDir}/sandboxes/${id}`;
  }

  containerDir(id: string): string {
    return `${this.parts.config.runDir}/containers/${id}`;
  }

  /** Where a checkpoint is put together; of all of them with an empty id. */
  checkpointDir(id: string): string {
    return `${this.parts.config.rootDir}/checkpoints/${id}`;
  }

  netnsPath(id: string): string {
    return `${this.parts.config.runDir}/netns/${id}`;
  }

  shmPath(id: string): string {
    return `${this.sandboxDir(id)}/shm`;
  }

  nowNs(): string {
    return this.parts.host.clock.nowNs().toString();
  }
}
