import type { SimMachine } from '../machine/machine.js';
import { simConfig } from './sim-config.js';

const { runDir, rootDir, cgroupParent } = simConfig;
/** Made at first use and kept: folders and groups of the node itself, not of a pod. */
const ofTheNode = new Set([
  `${runDir}/sandboxes/`,
  `${runDir}/containers/`,
  `${runDir}/netns/`,
  `${runDir}/oci/`,
  `${runDir}/oci/crun/`,
  `${rootDir}/snapshots/`,
  cgroupParent,
  `${cgroupParent}/monitors`,
]);
/** The address given last: kept so that a freed one rests before it is given again. */
const keptTable = 'network-cursor';

/** Everything on a machine that pods can leave behind, as sorted lines: two are equal when nothing has leaked. */
export function machineSummary(machine: SimMachine): string[] {
  const files = [runDir, rootDir].flatMap((dir) => machine.files.paths(dir));
  const rows = [...machine.tables]
    .filter(([table]) => table !== keptTable)
    .flatMap(([table, entries]) => [...entries.keys()].map((key) => `record ${table} ${key}`));
  return [
    ...files.filter((path) => !ofTheNode.has(path)).map((path) => `file ${path}`),
    ...machine.files.mounts.list('/').map(({ target, fsType }) => `mount ${fsType} ${target}`),
    ...[...machine.pins.keys()].map((path) => `namespace ${path}`),
    `${machine.net.count()} network namespaces`,
    ...machine.net.links().map(({ name, addresses }) => `link ${name} ${addresses.join(' ')}`),
    ...machine.nft.summary().map((table) => `nft ${table}`),
    ...machine.cgroups
      .all()
      .filter((path) => !ofTheNode.has(path))
      .map((path) => `cgroup ${path}`),
    ...machine.processes.all().map(({ argv }) => `process ${argv.join(' ').slice(0, 80)}`),
    ...[...machine.sysctls].map(([name, value]) => `sysctl ${name} ${value}`),
    ...rows,
  ].sort();
}

/** Lines that only one of two summaries has, with `+` for more and `-` for less than before. */
export function difference(before: readonly string[], after: readonly string[]): string[] {
  return [
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
  ];
}
