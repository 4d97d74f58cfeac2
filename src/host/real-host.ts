import type { Host } from '../ports/host.js';
import { createCgroupMeters } from './cgroup-meter.js';
import { createCgroups } from './cgroups.js';
import { createClock } from './clock.js';
import { createFileReads } from './file-reads.js';
import { createFiles } from './files.js';
import { createFirewall } from './firewall.js';
import { createHostPorts } from './host-ports.js';
import { createLayerArchives } from './layers/layer-archives.js';
import { createLayerFiles } from './layer-files.js';
import { createInteractiveProcesses } from './interactive.js';
import { createLocalConnections } from './local-connections.js';
import { createLinks } from './links.js';
import { createMounts } from './mounts.js';
import { createNamespaces } from './namespaces.js';
import { createProcesses } from './processes.js';
import { createRandom } from './random.js';
import { createRecordStore } from './record-store.js';
import type { RecordStorePaths } from './record-store.js';
import { createSysctls } from './sysctls.js';
import { createUsageProbes } from './usage-probes.js';

export interface RealHostPaths extends RecordStorePaths {
  /** Folder of what belongs to one boot, best on a tmpfs. */
  runDir?: string;
}

/** This machine. */
export function createRealHost(paths: RealHostPaths): Host {
  const processes = createProcesses();
  const mounts = createMounts();
  return {
    clock: createClock(),
    random: createRandom(),
    files: createFiles(paths.runDir === undefined ? [] : [paths.runDir]),
    fileReads: createFileReads(),
    layerFiles: createLayerFiles(),
    layerArchives: createLayerArchives(),
    mounts,
    namespaces: createNamespaces(mounts),
    processes,
    interactive: createInteractiveProcesses(),
    connections: createLocalConnections(),
    cgroups: createCgroups(),
    cgroupMeters: createCgroupMeters(),
    usageProbes: createUsageProbes(),
    links: createLinks(),
    firewall: createFirewall(processes),
    sysctls: createSysctls(),
    hostPorts: createHostPorts(),
    store: createRecordStore(paths),
  };
}
