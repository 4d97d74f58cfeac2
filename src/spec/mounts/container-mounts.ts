import { isBelow } from '../../base/path-below.js';
import type { ContainerConfig, Mount } from '../../ports/cri/messages.js';
import type { IdMapping } from '../../ports/mounts.js';
import type { OciMount } from '../oci-spec-types.js';

/** Host paths of the files and folders that the containers of a pod share. */
export interface PodFiles {
  resolvConf: string;
  hosts: string;
  hostname: string;
  /** Holds /dev/shm; undefined: the container has one of its own, as it has an IPC namespace of its own. */
  shm: string | undefined;
}

/** A mount of the request whose content is there: what on the host is bound at which place. */
export interface PreparedMount {
  /** As a status tells it. */
  mount: Mount;
  /** Absolute host path without symlinks. */
  source: string;
  /** Where in the container, its symlinks followed: a runtime may not find its way through one to what isn't there yet. */
  destination: string;
}

export interface ContainerMountsInput {
  mounts: readonly PreparedMount[];
  files: PodFiles;
  privileged: boolean;
  /** Of the pod's user namespace. */
  mapping: IdMapping | undefined;
  hostNetwork: boolean;
  /** The root is read-only: so are the pod's files that are mounted over it. */
  readOnlyRoot: boolean;
}

const propagations = {
  PROPAGATION_PRIVATE: 'rprivate',
  PROPAGATION_HOST_TO_CONTAINER: 'rslave',
  PROPAGATION_BIDIRECTIONAL: 'rshared',
} as const;

/**
 * The mounts of a container in the order in which they are made: those of the kernel, then the pod's files and those of
 * the request, a folder before what is mounted in it. Where the request covers a place, nothing else is mounted there.
 */
export function containerMounts(input: ContainerMountsInput): OciMount[] {
  const { mounts, files, readOnlyRoot } = input;
  const asked = mounts.map(({ mount, source, destination }) => ({
    destination,
    type: 'bind',
    source,
    options: bindOptions(mount),
  }));
  const covers = (place: string) => (other: OciMount) =>
    place === other.destination || isBelow(place, other.destination);
  const access = readOnlyRoot ? 'ro' : 'rw';
  const podFiles = [
    shmMount(files.shm),
    bind('/etc/resolv.conf', files.resolvConf, access),
    bind('/etc/hosts', files.hosts, access),
    bind('/etc/hostname', files.hostname, access),
  ].filter(({ destination }) => !asked.some((other) => other.destination === destination));
  return [
    ...kernelMounts(input).filter(({ destination }) => !asked.some(covers(destination))),
    ...[...podFiles, ...asked].sort((a, b) => depth(a) - depth(b)),
  ];
}

const depth = ({ destination }: OciMount): number => destination.split('/').length;

const ttyGid = 5;

/** Who has no rights over a network namespace may not mount its sysfs, but bind one that is mounted. */
const hostSys: OciMount = {
  destination: '/sys',
  type: 'bind',
  source: '/sys',
  options: ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev', 'ro'],
};

function kernelMounts({ privileged, mapping, hostNetwork }: ContainerMountsInput): OciMount[] {
  const sys = privileged ? 'rw' : 'ro';
  // devpts takes no group that the user namespace hasn't.
  const ttyGroup = mapping === undefined || mapping.gids.length > ttyGid ? [`gid=${ttyGid}`] : [];
  return [
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
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...ttyGroup],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    mapping !== undefined && hostNetwork
      ? hostSys
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', sys] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['nosuid', 'noexec', 'nodev', 'relatime', sys],
    },
  ];
}

/**
 * `ro` makes the topmost mount read-only alone, as Kubernetes has it, `rro` all that is mounted in it. What is in an image can be
 * run, as KEP-4639 has it since it took `noexec` back, but gives no rights.
 */
function bindOptions({ image, propagation, readonly, recursive_read_only }: Mount): string[] {
  const access = recursive_read_only ? 'rro' : readonly ? 'ro' : 'rw';
  const confined = image === null ? [] : ['nosuid', 'nodev'];
  return ['rbind', propagations[propagation], access, ...confined];
}

const bind = (destination: string, source: string, access: 'ro' | 'rw'): OciMount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', access],
});

function shmMount(podShm: string | undefined): OciMount {
  const destination = '/dev/shm';
  if (podShm !== undefined) return bind(destination, podShm, 'rw');
  const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'];
  return { destination, type: 'tmpfs', source: 'shm', options };
}

/** How mounts travel between the container's root and the host: as far as the request's mounts need it. */
export function rootPropagation(config: ContainerConfig): 'rshared' | 'rslave' | undefined {
  const asked = config.mounts.map((mount) => mount.propagation);
  if (asked.includes('PROPAGATION_BIDIRECTIONAL')) return 'rshared';
  return asked.includes('PROPAGATION_HOST_TO_CONTAINER') ? 'rslave' : undefined;
}
