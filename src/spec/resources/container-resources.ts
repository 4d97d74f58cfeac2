import type { LinuxContainerResources } from '../../ports/cri/messages.js';
import type { MachineLimits } from '../machine-limits.js';
import type { OciDeviceRule, OciResources } from '../oci-spec-types.js';
import { pidsMax } from './unified-resources.js';

type LimitMachine = Pick<MachineLimits, 'cgroupV2' | 'hugepageSizes'>;

/** Devices every container has: null, zero, full, random, urandom, tty, console, ptmx and pts (config-linux.md). */
const usualDevices: [major: number, minor: number | undefined][] = [
  [1, 3],
  [1, 5],
  [1, 7],
  [1, 8],
  [1, 9],
  [5, 0],
  [5, 1],
  [5, 2],
  [136, undefined],
];

const deviceRules = (privileged: boolean): OciDeviceRule[] =>
  privileged
    ? [{ allow: true, access: 'rwm' }]
    : [
        { allow: false, access: 'rwm' },
        ...usualDevices.map(([major, minor]) => ({
          allow: true,
          type: 'c',
          major,
          ...(minor === undefined ? {} : { minor }),
          access: 'rwm',
        })),
      ];

/** The cgroup part of a container's spec, config-linux.md. */
export function ociResources(
  asked: LinuxContainerResources | null,
  privileged: boolean,
  machine: LimitMachine,
): OciResources {
  return { devices: deviceRules(privileged), ...(asked === null ? {} : ociLimits(asked, machine)) };
}

/** The limits among the cgroup part of a spec; 0 and empty leave the kernel's default. */
export function ociLimits(asked: LinuxContainerResources, machine: LimitMachine): OciResources {
  const set = <Key extends string>(key: Key, value: string) =>
    (value === '0' ? {} : { [key]: Number(value) }) as Partial<Record<Key, number>>;
  // The kubelet names every size it has heard of: a limit of none on pages that the machine lacks needs no cgroup.
  const hugepageLimits = asked.hugepage_limits
    .filter(({ page_size }) => machine.hugepageSizes.includes(page_size))
    .map(({ page_size, limit }) => ({ pageSize: page_size, limit: Number(limit) }));
  const processes = asked.unified[pidsMax];
  return {
    memory: {
      ...set('limit', asked.memory_limit_in_bytes),
      ...set('swap', asked.memory_swap_limit_in_bytes),
    },
    cpu: {
      ...set('shares', asked.cpu_shares),
      ...set('quota', asked.cpu_quota),
      ...set('period', asked.cpu_period),
      ...(asked.cpuset_cpus === '' ? {} : { cpus: asked.cpuset_cpus }),
      ...(asked.cpuset_mems === '' ? {} : { mems: asked.cpuset_mems }),
    },
    ...(hugepageLimits.length === 0 ? {} : { hugepageLimits }),
    ...(machine.cgroupV2
      ? Object.keys(asked.unified).length === 0
        ? {}
        : { unified: asked.unified }
      : processes === undefined || processes === 'max'
        ? {}
        : { pids: { limit: Number(processes) } }),
  };
}

const numbers = [
  'cpu_period',
  'cpu_quota',
  'cpu_shares',
  'memory_limit_in_bytes',
  'memory_swap_limit_in_bytes',
  'oom_score_adj',
] as const;

/**
 * Limits in force with those of an update over them: 0 and empty leave what is there, as an update of the field's
 * other runtimes does; entries of maps and lists go by their key.
 */
export function mergeResources(
  inForce: LinuxContainerResources,
  update: LinuxContainerResources,
): LinuxContainerResources {
  const sizes = new Map(
    [...inForce.hugepage_limits, ...update.hugepage_limits].map((entry) => [entry.page_size, entry]),
  );
  const merged = { ...inForce };
  for (const key of numbers) if (update[key] !== '0') merged[key] = update[key];
  for (const key of ['cpuset_cpus', 'cpuset_mems'] as const)
    if (update[key] !== '') merged[key] = update[key];
  return {
    ...merged,
    hugepage_limits: [...sizes.values()],
    unified: { ...inForce.unified, ...update.unified },
  };
}
