import { NodeletError } from '../../../src/base/errors.js';
import type { Clock } from '../../../src/ports/clock.js';
import type { Host } from '../../../src/ports/host.js';
import type { LayerArchives } from '../../../src/ports/layer-archives.js';
import type { LayerFiles } from '../../../src/ports/layer-files.js';
import { Dice } from '../machine/dice.js';
import { simFileReads } from './file-reads.js';
import { simConnections } from './connections.js';
import { simFiles } from './files.js';
import { simCgroups, simFirewall, simHostPorts, simLinks, simSysctls } from './kernel.js';
import { simMounts, simNamespaces } from './mounts.js';
import { simProcesses } from './processes.js';
import { simRecordStore } from './record-store.js';
import type { Session } from './session.js';
import { simCgroupMeters, simUsageProbes } from './usage.js';
import { never } from './session.js';

const seeds = 2 ** 31;

/**
 * The ports of one machine as one session of the agent has them. Each method that touches the machine is an
 * effect of the session; reading the clock, dice, records and a pid's identity is not.
 */
export function simHost(session: Session): Host {
  return {
    clock: sessionClock(session),
    random: new Dice(session.machine.dice.below(seeds)),
    files: simFiles(session),
    fileReads: simFileReads(session),
    mounts: simMounts(session),
    namespaces: simNamespaces(session),
    processes: simProcesses(session),
    interactive: { start: async () => Promise.reject(new Error('the model has no interactive processes')) },
    connections: simConnections(session),
    cgroups: simCgroups(session),
    cgroupMeters: simCgroupMeters(session),
    usageProbes: simUsageProbes(session),
    layerFiles: noLayerFiles,
    layerArchives: noLayerArchives,
    links: simLinks(session),
    firewall: simFirewall(session),
    sysctls: simSysctls(session),
    hostPorts: simHostPorts(session),
    store: simRecordStore(session),
  };
}

const unsupported = () => Promise.reject(new NodeletError('unsupported', 'the simulation unpacks no layers'));
/** Pulling is left out of the simulation (ADR 5). */
const noLayerFiles: LayerFiles = {
  syncFileSystem: unsupported,
  syncFolder: unsupported,
};

const noLayerArchives: LayerArchives = {
  unpack: unsupported,
  pack: () => {
    throw new NodeletError('unsupported', 'the simulation has no archives of layers');
  },
  digest: unsupported,
};

/** The machine's clock; a dead agent's timers never fire. */
function sessionClock(session: Session): Clock {
  const { clock } = session.machine;
  return {
    nowNs: () => clock.nowNs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: async (ms, signal) => {
      await clock.sleep(ms, signal);
      if (session.isDead) await never();
    },
    after: (ms, fire) => clock.after(ms, () => !session.isDead && fire()),
  };
}
