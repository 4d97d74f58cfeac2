import type { Log } from '../base/call-context.js';
import type { Clock } from '../ports/clock.js';
import type { CriRuntime } from '../ports/cri/runtime.js';
import type { FileReads } from '../ports/file-reads.js';
import type { Files } from '../ports/files.js';
import type { Random } from '../ports/random.js';
import type { RecordStore } from '../ports/record-store.js';
import type { LogsConfigSection } from '../spec/config/node-config.js';
import type { RotationMetrics } from './logs/rotation.js';

export interface AgentConfig {
  logs: LogsConfigSection;
  manifestDir: string;
  podLogDir: string;
  rootDir: string;
  nodeName: string;
  /** Of the whole machine: what a container requests is weighed against it. */
  machineMemoryBytes: number;
  /** Address shown as the pods' hostIP; empty where unknown. */
  hostIp?: string;
}

/** What the agent works with. */
export interface AgentParts {
  cri: CriRuntime;
  files: Files;
  fileReads: FileReads;
  store: RecordStore;
  clock: Clock;
  random: Random;
  log: Log;
  metrics: RotationMetrics;
  config: AgentConfig;
}
