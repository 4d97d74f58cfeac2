import type { Log } from '../base/call-context.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import type { Images } from '../images/images.js';
import type { PodNetwork } from '../network/pod-network.js';
import type { Host } from '../ports/host.js';
import type { ContainerRunner } from '../runtime/container-runner.js';
import type { LinuxSeccomp } from '../spec/oci-spec-types.js';
import { Ledger } from './ledger.js';

export interface PodsConfig {
  rootDir: string;
  runDir: string;
  cgroupParent: string;
}

/** What a container can ask for at most on this machine: facts read once at start. */
export interface MachineLimits {
  /** Capabilities the agent itself has: `ALL` and privileged mean these. */
  capabilities: readonly string[];
  /** Whether a negative oom_score_adj may be set (CAP_SYS_RESOURCE). */
  mayLowerOomScore: boolean;
  /** The default seccomp profile for a set of capabilities; undefined where the machine has none. */
  seccompFor: (capabilities: readonly string[]) => LinuxSeccomp | undefined;
}

export interface PodsParts {
  config: PodsConfig;
  limits: MachineLimits;
  host: Pick<
    Host,
    'clock' | 'random' | 'files' | 'mounts' | 'namespaces' | 'processes' | 'cgroups' | 'store'
  >;
  images: Images;
  network: PodNetwork;
  runner: ContainerRunner;
  log: Log;
}

/** What the services of this room share: the parts, the records, and one serial queue per pod. */
export class Pods {
  readonly ledger: Ledger;
  readonly queue = new KeyedQueue<string>();

  constructor(readonly parts: PodsParts) {
    this.ledger = new Ledger(parts.host.store);
  }

  sandboxDir(id: string): string {
    return `${this.parts.config.runDir}/sandboxes/${id}`;
  }

  containerDir(id: string): string {
    return `${this.parts.config.runDir}/containers/${id}`;
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
