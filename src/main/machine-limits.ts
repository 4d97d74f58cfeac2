import os from 'node:os';
import type { Cgroups } from '../ports/cgroups.js';
import type { Files } from '../ports/files.js';
import { capabilityNames } from '../spec/security/capabilities.js';
import { cpusIn } from '../spec/resources/cpu-list.js';
import type { MachineLimits } from '../spec/machine-limits.js';
import { seccompDefault } from '../spec/security/seccomp-default.js';
import type { SeccompProfile } from '../spec/security/seccomp-parse.js';
import { parseSeccompProfile } from '../spec/security/seccomp-parse.js';
import { seccompFor } from '../spec/security/seccomp-profile.js';
import type { SelinuxDefaults } from '../spec/security/selinux-label.js';
import { parseContainerContexts } from '../spec/security/selinux-label.js';

/** Where distributions put the default profile. */
export const seccompPaths = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json'];
const capSysResource = 24n;
const lowestOomScore = -1000;
/** A kernel without NUMA tells of no nodes, and has one. */
const onlyNode = '0';
/** There unless the kernel counts no swap (`swapaccount=0`); v2 always counts it where there is swap at all. */
const swapLimitV1 = '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes';

/** Reads once what this agent may hand to containers: what it is allowed itself, and what the kernel has. */
export async function machineLimits({
  files,
  cgroups,
}: {
  files: Files;
  cgroups: Cgroups;
}): Promise<MachineLimits> {
  const text = async (path: string) => (await files.read(path))?.toString('utf8');
  const status = (await text('/proc/self/status')) ?? '';
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: bigint) => ((effective >> bit) & 1n) === 1n;
  const { version, controllers, strandedControllers } = await cgroups.info();
  let profile: string | undefined;
  for (const path of seccompPaths) profile ??= await text(path);
  const seccompTarget = { architecture: os.arch(), kernelRelease: os.release() };
  let parsed: SeccompProfile | undefined;
  return {
    capabilities: capabilityNames.filter((_, bit) => has(BigInt(bit))),
    lowestOomScore: has(capSysResource)
      ? lowestOomScore
      : Number((await text('/proc/self/oom_score_adj')) ?? '0'),
    seccompFor: (capabilities) => {
      parsed ??= profile === undefined ? seccompDefault : parseSeccompProfile(profile);
      return seccompFor(parsed, { capabilities, target: seccompTarget });
    },
    seccompTarget,
    cgroupV2: version === 'v2',
    // Stranded ones are mounted before the first container.
    cgroupControllers: [...controllers, ...strandedControllers],
    cpus: cpusIn((await text('/sys/devices/system/cpu/online')) ?? ''),
    memoryNodes: cpusIn((await text('/sys/devices/system/node/has_memory')) ?? onlyNode),
    swapLimits: (await files.stat(version === 'v2' ? '/proc/swaps' : swapLimitV1)) !== undefined,
    hugepageSizes: (await files.list('/sys/kernel/mm/hugepages')).flatMap(hugepageSize),
    appArmor: (await text('/sys/module/apparmor/parameters/enabled'))?.trim() === 'Y',
    selinux: await selinuxDefaults(text),
  };
}

/** The policy in force: its files are below a folder that the system's configuration names. */
async function selinuxDefaults(
  text: (path: string) => Promise<string | undefined>,
): Promise<SelinuxDefaults | undefined> {
  if ((await text('/sys/fs/selinux/enforce')) === undefined) return undefined;
  const policy = /^SELINUXTYPE=(\w+)/m.exec((await text('/etc/selinux/config')) ?? '')?.[1] ?? 'targeted';
  return parseContainerContexts((await text(`/etc/selinux/${policy}/contexts/lxc_contexts`)) ?? '');
}

const kibibytesPer: [unit: string, kibibytes: number][] = [
  ['GB', 1024 * 1024],
  ['MB', 1024],
  ['KB', 1],
];

/** `hugepages-2048kB` as `2MB`: sysfs and cgroup files write the same size differently. */
function hugepageSize(folder: string): string[] {
  const kibibytes = Number(/^hugepages-(\d+)kB$/.exec(folder)?.[1]);
  const [unit, per] = kibibytesPer.find(([, size]) => kibibytes >= size) ?? [];
  return unit === undefined || per === undefined ? [] : [`${kibibytes / per}${unit}`];
}
