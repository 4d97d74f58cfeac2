import type { MachineLimits } from '../../src/spec/machine-limits.js';

/** A machine with cgroup v1, four CPUs, 2 MB pages, no AppArmor and no SELinux, and an agent with few rights. */
export const plainMachine: MachineLimits = {
  capabilities: ['CAP_CHOWN', 'CAP_KILL'],
  lowestOomScore: 0,
  seccompFor: () => ({ defaultAction: 'SCMP_ACT_ERRNO' }),
  seccompTarget: { architecture: 'x64', kernelRelease: '6.1.0-test' },
  cgroupV2: false,
  cgroupControllers: ['cpu', 'cpuset', 'memory', 'pids', 'hugetlb'],
  cpus: [0, 1, 2, 3],
  memoryNodes: [0],
  swapLimits: true,
  hugepageSizes: ['2MB'],
  appArmor: false,
  selinux: undefined,
};
