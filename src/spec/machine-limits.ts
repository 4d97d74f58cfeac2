import type { LinuxSeccomp } from './oci-spec-types.js';
import type { SeccompTarget } from './security/seccomp-profile.js';
import type { SelinuxDefaults } from './security/selinux-label.js';

/** What a container can ask for at most on this machine: facts read once at start. */
export interface MachineLimits {
  /** Capabilities the agent itself has: `ALL` and privileged mean these. */
  capabilities: readonly string[];
  /** The lowest oom_score_adj the agent may give: -1000, or its own where it lacks CAP_SYS_RESOURCE. */
  lowestOomScore: number;
  /** The default seccomp profile for a set of capabilities: the distribution's, or nodelet's own where it brings none. */
  seccompFor: (capabilities: readonly string[]) => LinuxSeccomp;
  /** What seccomp profiles from files are read for. */
  seccompTarget: SeccompTarget;
  /** Containers' cgroups are in the one v2 tree, not in v1 hierarchies. */
  cgroupV2: boolean;
  /** Controllers that groups of containers can have limits of. */
  cgroupControllers: readonly string[];
  /** CPUs that are online, and memory nodes that have memory: what a cpuset can name. */
  cpus: readonly number[];
  memoryNodes: readonly number[];
  /** The kernel can limit what a group swaps out. */
  swapLimits: boolean;
  /** Sizes of huge pages that the kernel has pools of, as cgroup files name them: `2MB`, `1GB`. */
  hugepageSizes: readonly string[];
  /** AppArmor is on, so that a profile asked for would have to be applied. */
  appArmor: boolean;
  /** The policy's labels for containers; undefined where SELinux is off. */
  selinux: SelinuxDefaults | undefined;
}
