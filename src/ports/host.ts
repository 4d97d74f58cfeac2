import type { CgroupMeters } from './cgroup-meter.js';
import type { Cgroups } from './cgroups.js';
import type { Clock } from './clock.js';
import type { FileReads } from './file-reads.js';
import type { Files } from './files.js';
import type { Firewall } from './firewall.js';
import type { LayerArchives } from './layer-archives.js';
import type { LayerFiles } from './layer-files.js';
import type { InteractiveProcesses } from './interactive-processes.js';
import type { LocalConnections } from './local-connections.js';
import type { Links } from './links.js';
import type { Mounts } from './mounts.js';
import type { Namespaces } from './namespaces.js';
import type { Processes } from './processes.js';
import type { Random } from './random.js';
import type { RecordStore } from './record-store.js';
import type { HostPorts } from './host-ports.js';
import type { Sysctls } from './sysctls.js';
import type { UsageProbes } from './usage-probes.js';

/** All ports of one machine. Only composition takes the whole; a room asks for the ports it uses. */
export interface Host {
  clock: Clock;
  random: Random;
  files: Files;
  fileReads: FileReads;
  layerFiles: LayerFiles;
  layerArchives: LayerArchives;
  mounts: Mounts;
  namespaces: Namespaces;
  processes: Processes;
  interactive: InteractiveProcesses;
  connections: LocalConnections;
  cgroups: Cgroups;
  cgroupMeters: CgroupMeters;
  usageProbes: UsageProbes;
  links: Links;
  firewall: Firewall;
  sysctls: Sysctls;
  hostPorts: HostPorts;
  store: RecordStore;
}
