import { NodeletError } from '../../base/errors.js';
import type { HugepageLimit, LinuxContainerResources } from '../../ports/cri/messages.js';
import { cpuRanges, firstMissing } from './cpu-list.js';
import type { MachineLimits } from '../machine-limits.js';
import { validateUnified } from './unified-resources.js';

export type ResourceMachine = Pick<
  MachineLimits,
  'cgroupV2' | 'hugepageSizes' | 'cpus' | 'memoryNodes' | 'cgroupControllers' | 'swapLimits'
>;

export interface ResourceRules {
  /** Path of the resources in the request: `config.linux.resources`. */
  base: string;
  machine: ResourceMachine;
  /** They are those of a container, which has to start in them; a pod's are sums, and may be small. */
  ofContainer: boolean;
}

const invalid = (field: string, message: string, remedy?: string) =>
  new NodeletError('invalid', message, remedy === undefined ? { field } : { field, remedy });

/** A number is exact in the JSON of the OCI spec up to here. */
const maxBytes = BigInt(Number.MAX_SAFE_INTEGER);
/** Below it there is no room for the first page of anything, and the kernel rounds the limit down to nothing. */
const minMemoryBytes = 65_536n;

/** What the kernel takes; scheduler/sched-bwc, kernel/sched/core.c. Zero is unset, -1 no limit. */
const cpuRange = {
  cpu_period: { min: 1000n, max: 1_000_000n, unit: ' µs' },
  cpu_quota: { min: 1000n, max: 2n ** 44n - 1n, unit: ' µs' },
  cpu_shares: { min: 2n, max: 262_144n, unit: '' },
} as const;

/** Refuses limits that are none, and those that this machine's cgroups can't hold, before anything is made. */
export function validateResources(asked: LinuxContainerResources, rules: ResourceRules): void {
  const { base, machine } = rules;
  const needController = (name: string, field: string) => {
    if (machine.cgroupControllers.includes(name)) return;
    throw new NodeletError('unsupported', `this machine has no cgroup controller ${name}`, {
      field: `${base}.${field}`,
      remedy: 'leave the field out, or enable the controller in the kernel or on its command line',
    });
  };
  for (const [name, { min, max, unit }] of Object.entries(cpuRange)) {
    const field = name as keyof typeof cpuRange;
    const value = BigInt(asked[field]);
    if (value === 0n) continue;
    needController('cpu', field);
    if (field === 'cpu_quota' && value === -1n) continue;
    if (value < min || value > max) throw invalid(`${base}.${field}`, `is not ${min} to ${max}${unit}`);
  }
  validateCpuset('cpuset_cpus', machine.cpus, 'online CPU');
  validateCpuset('cpuset_mems', machine.memoryNodes, 'memory node');
  validateMemory(asked, rules, needController);
  const score = Number(asked.oom_score_adj);
  if (score < -1000 || score > 1000) throw invalid(`${base}.oom_score_adj`, 'is not -1000 to 1000');
  asked.hugepage_limits.forEach((limit, index) =>
    validateHugepages(limit, machine, `${base}.hugepage_limits[${index}]`),
  );
  validateUnified(asked.unified, { ...rules, base: `${base}.unified` });

  function validateCpuset(
    field: 'cpuset_cpus' | 'cpuset_mems',
    there: readonly number[],
    what: string,
  ): void {
    const list = asked[field];
    if (list === '') return;
    needController('cpuset', field);
    const ranges = cpuRanges(list);
    if (ranges === undefined) throw invalid(`${base}.${field}`, `"${list}" is no list such as 0-2,4`);
    const missing = firstMissing(ranges, there);
    if (missing === undefined) return;
    throw invalid(
      `${base}.${field}`,
      `this machine has no ${what} ${missing}`,
      `it has: ${there.join(', ')}`,
    );
  }
}

/** As validateResources, for the sums of a pod or its overhead: they may be smaller than what a process starts in. */
export function validatePodResources(
  asked: LinuxContainerResources,
  rules: Omit<ResourceRules, 'ofContainer'>,
): void {
  validateResources(asked, { ...rules, ofContainer: false });
  if (asked.oom_score_adj === '0') return;
  throw new NodeletError('unsupported', 'a pod has no score: its containers have', {
    field: `${rules.base}.oom_score_adj`,
    remedy: 'leave the field out',
  });
}

function validateMemory(
  { memory_limit_in_bytes, memory_swap_limit_in_bytes }: LinuxContainerResources,
  { base, machine, ofContainer }: ResourceRules,
  needController: (name: string, field: string) => void,
): void {
  const [memory, swap] = [BigInt(memory_limit_in_bytes), BigInt(memory_swap_limit_in_bytes)];
  for (const [field, value] of [
    ['memory_limit_in_bytes', memory],
    ['memory_swap_limit_in_bytes', swap],
  ] as const) {
    if (value !== 0n) needController('memory', field);
    if (value < -1n) throw invalid(`${base}.${field}`, 'is negative', '-1 is no limit');
    if (value > maxBytes) throw invalid(`${base}.${field}`, `is more than ${maxBytes}`, '-1 is no limit');
  }
  if (ofContainer && memory > 0n && memory < minMemoryBytes) {
    throw invalid(
      `${base}.memory_limit_in_bytes`,
      `no process starts in ${memory} bytes, the least is ${minMemoryBytes}`,
    );
  }
  if (swap === 0n) return;
  const field = `${base}.memory_swap_limit_in_bytes`;
  if (!machine.swapLimits) {
    throw new NodeletError('unsupported', 'this kernel does not limit swap', {
      field,
      remedy: 'leave the field out, or boot with swapaccount=1',
    });
  }
  if (swap === -1n) return;
  if (memory <= 0n)
    throw invalid(field, 'needs memory_limit_in_bytes: it is a limit of memory and swap together');
  if (swap < memory)
    throw invalid(field, 'is below memory_limit_in_bytes: it is a limit of memory and swap together');
}

function validateHugepages(
  { page_size, limit }: HugepageLimit,
  machine: ResourceMachine,
  field: string,
): void {
  if (!/^[1-9]\d*[KMG]B$/.test(page_size)) {
    throw invalid(`${field}.page_size`, `"${page_size}" is no size such as 2MB`);
  }
  if (BigInt(limit) > maxBytes) throw invalid(`${field}.limit`, `is more than ${maxBytes}`);
  // The kubelet names every size it has heard of, with a limit of none.
  if (limit === '0') return;
  if (!machine.hugepageSizes.includes(page_size)) {
    throw new NodeletError('unsupported', `this machine has no huge pages of ${page_size}`, {
      field: `${field}.page_size`,
      remedy: `it has: ${machine.hugepageSizes.join(', ') || 'none'}`,
    });
  }
  if (machine.cgroupControllers.includes('hugetlb')) return;
  throw new NodeletError('unsupported', 'this machine has no cgroup controller hugetlb', { field });
}
