import type { CgroupLimits } from '../../ports/cgroups.js';
import type { LinuxContainerResources } from '../../ports/cri/messages.js';
import { newLinuxContainerResources } from '../../ports/cri/messages.js';
import type { MachineLimits } from '../machine-limits.js';
import { pidsMax } from './unified-resources.js';

type LimitMachine = Pick<MachineLimits, 'cgroupV2' | 'hugepageSizes'>;

/** CRI's limits as a group's own; 0 and empty set none. */
export function cgroupLimits(asked: LinuxContainerResources, machine: LimitMachine): CgroupLimits {
  const set = <Key extends keyof CgroupLimits>(key: Key, value: string) =>
    value === '0' ? {} : { [key]: Number(value) };
  const hugepages = asked.hugepage_limits
    .filter(({ page_size }) => machine.hugepageSizes.includes(page_size))
    .map(({ page_size, limit }) => ({ pageSize: page_size, bytes: Number(limit) }));
  const processes = asked.unified[pidsMax];
  return {
    ...set('cpuShares', asked.cpu_shares),
    ...set('cpuPeriodUs', asked.cpu_period),
    ...set('cpuQuotaUs', asked.cpu_quota),
    ...set('memoryBytes', asked.memory_limit_in_bytes),
    ...set('memorySwapBytes', asked.memory_swap_limit_in_bytes),
    ...(asked.cpuset_cpus === '' ? {} : { cpusetCpus: asked.cpuset_cpus }),
    ...(asked.cpuset_mems === '' ? {} : { cpusetMems: asked.cpuset_mems }),
    ...(hugepages.length === 0 ? {} : { hugepages }),
    ...(machine.cgroupV2 && Object.keys(asked.unified).length > 0 ? { unified: asked.unified } : {}),
    ...(!machine.cgroupV2 && processes !== undefined
      ? { pids: processes === 'max' ? -1 : Number(processes) }
      : {}),
  };
}

const fieldsOfLimits: Record<string, keyof LinuxContainerResources> = {
  cpuShares: 'cpu_shares',
  cpuPeriodUs: 'cpu_period',
  cpuQuotaUs: 'cpu_quota',
  memoryBytes: 'memory_limit_in_bytes',
  memorySwapBytes: 'memory_swap_limit_in_bytes',
  cpusetCpus: 'cpuset_cpus',
  cpusetMems: 'cpuset_mems',
  hugepages: 'hugepage_limits',
};

/** The field of LinuxContainerResources that a group's limit comes from, for errors: `memory_limit_in_bytes`, `unified["memory.high"]`. */
export function fieldOfLimit(limit: string): string {
  return limit === 'pids' ? `unified["${pidsMax}"]` : (fieldsOfLimits[limit] ?? limit);
}

const defaultPeriodUs = 100_000;

/** What a pod may use in all: its containers' sums and, where they set a limit, the overhead of the pod itself on top. */
export function podResources(
  resources: LinuxContainerResources | null,
  overhead: LinuxContainerResources | null,
): LinuxContainerResources {
  const base = resources ?? newLinuxContainerResources();
  if (overhead === null) return base;
  const sum = (
    key: 'cpu_shares' | 'memory_limit_in_bytes' | 'memory_swap_limit_in_bytes',
    added = overhead[key],
  ) => (Number(base[key]) <= 0 || Number(added) <= 0 ? base[key] : String(BigInt(base[key]) + BigInt(added)));
  const periodOf = ({ cpu_period }: LinuxContainerResources) => Number(cpu_period) || defaultPeriodUs;
  const quota = Number(base.cpu_quota);
  const overheadQuota = Number(overhead.cpu_quota);
  return {
    ...base,
    cpu_shares: sum('cpu_shares'),
    memory_limit_in_bytes: sum('memory_limit_in_bytes'),
    memory_swap_limit_in_bytes: sum('memory_swap_limit_in_bytes', overhead.memory_limit_in_bytes),
    cpu_quota:
      quota <= 0 || overheadQuota <= 0
        ? base.cpu_quota
        : String(quota + Math.round((overheadQuota * periodOf(base)) / periodOf(overhead))),
  };
}
