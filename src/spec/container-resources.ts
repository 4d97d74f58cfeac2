import { NodeletError } from '../base/errors.js';
import type { LinuxContainerResources } from '../ports/cri/messages.js';
import type { MachineLimits } from './machine-limits.js';
import type { OciDeviceRule, OciResources } from './oci-spec-types.js';

const base = 'config.linux.resources';

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

/** Refuses limits that are none, and those that this machine's cgroups can't hold. */
export function validateResources(
  { cpuset_cpus, cpuset_mems, hugepage_limits, unified }: LinuxContainerResources,
  machine: Pick<MachineLimits, 'cgroupV2' | 'hugepageSizes'>,
): void {
  for (const [field, list] of Object.entries({ cpuset_cpus, cpuset_mems })) {
    if (list === '' || /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(list)) continue;
    throw new NodeletError('invalid', `"${list}" is no list such as 0-2,4`, { field: `${base}.${field}` });
  }
  if (Object.keys(unified).length > 0 && !machine.cgroupV2) {
    throw new NodeletError('unsupported', 'this machine has cgroup v1', {
      field: `${base}.unified`,
      remedy: 'leave it out, or boot with cgroup v2',
    });
  }
  hugepage_limits.forEach(({ page_size, limit }, index) => {
    if (limit === '0' || machine.hugepageSizes.includes(page_size)) return;
    throw new NodeletError('unsupported', `this machine has no huge pages of ${page_size}`, {
      field: `${base}.hugepage_limits[${index}]`,
      remedy: `it has: ${machine.hugepageSizes.join(', ') || 'none'}`,
    });
  });
}

/** The cgroup part of a container's spec, config-linux.md; 0 and empty leave the kernel's default. */
export function ociResources(
  asked: LinuxContainerResources | null,
  privileged: boolean,
  hugepageSizes: readonly string[],
): OciResources {
  const devices = deviceRules(privileged);
  if (asked === null) return { devices };
  const set = <Key extends string>(key: Key, value: string) =>
    (value === '0' ? {} : { [key]: Number(value) }) as Partial<Record<Key, number>>;
  // The kubelet names every size it has heard of: a limit of none on pages that the machine lacks needs no cgroup.
  const hugepageLimits = asked.hugepage_limits
    .filter(({ page_size }) => hugepageSizes.includes(page_size))
    .map(({ page_size, limit }) => ({ pageSize: page_size, limit: Number(limit) }));
  return {
    devices,
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
    ...(Object.keys(asked.unified).length === 0 ? {} : { unified: asked.unified }),
  };
}
