import type { ContainerConfig } from '../ports/cri/messages.js';
import type { OciMount } from './oci-spec-types.js';

/** Host paths of the files and folders that the containers of a pod share. */
export interface PodFiles {
  resolvConf: string;
  hosts: string;
  hostname: string;
  /** Holds /dev/shm. */
  shm: string;
}

export interface ContainerMountsInput {
  config: ContainerConfig;
  files: PodFiles;
  privileged: boolean;
  /** The root is read-only: so are the pod's files that are mounted over it. */
  readOnlyRoot: boolean;
}

const propagations = {
  PROPAGATION_PRIVATE: 'rprivate',
  PROPAGATION_HOST_TO_CONTAINER: 'rslave',
  PROPAGATION_BIDIRECTIONAL: 'rshared',
} as const;

/** Mounts every container has, then those of the request; where both name a place, the request's alone. */
export function containerMounts({
  config,
  files,
  privileged,
  readOnlyRoot,
}: ContainerMountsInput): OciMount[] {
  const taken = new Set(config.mounts.map((mount) => mount.container_path.replace(/(.)\/+$/, '$1')));
  const sys = privileged ? 'rw' : 'ro';
  const podFile = readOnlyRoot ? 'ro' : 'rw';
  const usual: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', sys] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['nosuid', 'noexec', 'nodev', 'relatime', sys],
    },
    bind('/dev/shm', files.shm, 'rw'),
    bind('/etc/resolv.conf', files.resolvConf, podFile),
    bind('/etc/hosts', files.hosts, podFile),
    bind('/etc/hostname', files.hostname, podFile),
  ];
  return [
    ...usual.filter((mount) => !taken.has(mount.destination)),
    ...config.mounts.map((mount) => ({
      destination: mount.container_path,
      type: 'bind',
      source: mount.host_path,
      options: ['rbind', propagations[mount.propagation], mount.readonly ? 'ro' : 'rw'],
    })),
  ];
}

const bind = (destination: string, source: string, access: 'ro' | 'rw'): OciMount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', access],
});

/** How mounts travel between the container's root and the host: as far as the request's mounts need it. */
export function rootPropagation(config: ContainerConfig): 'rshared' | 'rslave' | undefined {
  const asked = config.mounts.map((mount) => mount.propagation);
  if (asked.includes('PROPAGATION_BIDIRECTIONAL')) return 'rshared';
  return asked.includes('PROPAGATION_HOST_TO_CONTAINER') ? 'rslave' : undefined;
}
