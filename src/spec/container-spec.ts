import { NodeletError } from '../base/errors.js';
import type {
  Capability,
  ContainerConfig,
  LinuxContainerResources,
  PodSandboxConfig,
} from '../ports/cri/messages.js';
import { capabilityNames, defaultCapabilities } from './capabilities.js';
import type { ResolvedImageUser } from './image-user.js';
import type { LinuxSeccomp, OciMount, OciResources, OciSpec } from './oci-spec-types.js';

export interface ContainerSpecInput {
  config: ContainerConfig;
  sandboxConfig: PodSandboxConfig;
  image: { env: string[]; entrypoint: string[]; cmd: string[]; workingDir: string };
  rootfs: string;
  user: ResolvedImageUser;
  /** Process 1 of the infra container, whose namespaces are joined. */
  infraPid: number;
  netnsPath: string | undefined;
  cgroupsPath: string;
  hostname: string;
  /** Host paths of the files the pod shares. */
  files: { resolvConf: string; hosts: string; hostname: string; shm: string };
  agentCapabilities: readonly string[];
  mayLowerOomScore: boolean;
  seccompFor: (capabilities: readonly string[]) => LinuxSeccomp | undefined;
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** OCI config of a pod's container, from the CRI config over the image's (runtime-spec config.md and config-linux.md). */
export function buildContainerSpec(input: ContainerSpecInput): OciSpec {
  const { config, image } = input;
  const context = config.linux?.security_context ?? null;
  const privileged = context?.privileged ?? false;
  const capabilities = privileged
    ? input.agentCapabilities
    : grantedCapabilities(context?.capabilities ?? null, input.agentCapabilities);
  const resources = config.linux?.resources ?? null;
  const unconfined =
    privileged || context?.seccomp?.profile_type === 'Unconfined' || context?.seccomp === null;
  const seccomp = unconfined ? undefined : input.seccompFor(capabilities);
  const oomScore = Number(resources?.oom_score_adj ?? '0');
  // A container of a user other than root keeps what it may regain by a set-uid program, but starts with none.
  const held = input.user.uid === 0 ? capabilities : [];
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: config.tty,
      user: { uid: input.user.uid, gid: input.user.gid, additionalGids: input.user.additionalGids },
      args: processArgs(config, image),
      env: processEnv(config, image.env, input.hostname),
      cwd: config.working_dir || image.workingDir || '/',
      capabilities: { bounding: capabilities, effective: held, permitted: held },
      noNewPrivileges: context?.no_new_privs ?? false,
      ...(oomScore < 0 && !input.mayLowerOomScore ? {} : { oomScoreAdj: oomScore }),
    },
    root: { path: input.rootfs, readonly: context?.readonly_rootfs ?? false },
    mounts: mounts(input, privileged),
    annotations: config.annotations,
    linux: {
      namespaces: namespaces(input),
      cgroupsPath: input.cgroupsPath,
      resources: ociResources(resources, privileged),
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(privileged
        ? {}
        : { maskedPaths: context?.masked_paths ?? [], readonlyPaths: context?.readonly_paths ?? [] }),
      ...(config.mounts.some((mount) => mount.propagation === 'PROPAGATION_BIDIRECTIONAL')
        ? { rootfsPropagation: 'rshared' }
        : config.mounts.some((mount) => mount.propagation === 'PROPAGATION_HOST_TO_CONTAINER')
          ? { rootfsPropagation: 'rslave' }
          : {}),
    },
  };
}

/** Kubernetes' rule: command replaces the entrypoint and drops the image's cmd; args replace only the cmd. */
function processArgs(config: ContainerConfig, image: ContainerSpecInput['image']): string[] {
  const entrypoint = config.command.length > 0 ? config.command : image.entrypoint;
  const cmd = config.args.length > 0 ? config.args : config.command.length > 0 ? [] : image.cmd;
  const args = [...entrypoint, ...cmd];
  if (args.length > 0) return args;
  throw new NodeletError('invalid', 'neither the config nor the image names a command', {
    field: 'config.command',
  });
}

function processEnv(config: ContainerConfig, imageEnv: string[], hostname: string): string[] {
  const merged = new Map<string, string>();
  const set = (entry: string) => merged.set(entry.slice(0, entry.indexOf('=')), entry);
  set(defaultPath);
  set(`HOSTNAME=${hostname}`);
  if (config.tty) set('TERM=xterm');
  imageEnv.filter((entry) => entry.includes('=')).forEach(set);
  config.envs.forEach(({ key, value }) => set(`${key}=${Buffer.from(value).toString('utf8')}`));
  return [...merged.values()];
}

function grantedCapabilities(asked: Capability | null, own: readonly string[]): string[] {
  const granted = new Set(defaultCapabilities);
  const names = (list: readonly string[], field: string): string[] =>
    list.flatMap((name) => {
      const upper = name.toUpperCase();
      if (upper === 'ALL') return own;
      const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
      if (capabilityNames.includes(full)) return [full];
      throw new NodeletError('invalid', `"${name}" is no capability`, {
        field: `config.linux.security_context.capabilities.${field}`,
      });
    });
  const dropped = asked?.drop_capabilities ?? [];
  const added = asked?.add_capabilities ?? [];
  // ALL goes first on either side: `drop ALL, add X` leaves X, `add ALL, drop X` leaves all but X.
  if (added.some((name) => name.toUpperCase() === 'ALL')) own.forEach((name) => granted.add(name));
  if (dropped.some((name) => name.toUpperCase() === 'ALL')) granted.clear();
  const rest = (list: readonly string[]) => list.filter((name) => name.toUpperCase() !== 'ALL');
  names(rest(added), 'add_capabilities').forEach((name) => granted.add(name));
  names(rest(dropped), 'drop_capabilities').forEach((name) => granted.delete(name));
  return [...granted];
}

function namespaces(input: ContainerSpecInput): { type: string; path?: string }[] {
  const options = input.config.linux?.security_context?.namespace_options;
  const of = (name: string) => `/proc/${input.infraPid}/ns/${name}`;
  const list: { type: string; path?: string }[] = [{ type: 'mount' }];
  if (input.netnsPath !== undefined) {
    list.push({ type: 'network', path: input.netnsPath }, { type: 'uts', path: of('uts') });
  }
  if (options?.ipc !== 'NODE') list.push({ type: 'ipc', path: of('ipc') });
  if (options?.pid === 'CONTAINER') list.push({ type: 'pid' });
  else if (options?.pid !== 'NODE') list.push({ type: 'pid', path: of('pid') });
  return list;
}

const propagations = {
  PROPAGATION_PRIVATE: 'rprivate',
  PROPAGATION_HOST_TO_CONTAINER: 'rslave',
  PROPAGATION_BIDIRECTIONAL: 'rshared',
} as const;

function mounts(input: ContainerSpecInput, privileged: boolean): OciMount[] {
  const { config, files } = input;
  const taken = new Set(config.mounts.map((mount) => mount.container_path.replace(/(.)\/+$/, '$1')));
  const sys = privileged ? 'rw' : 'ro';
  const hostIpc = config.linux?.security_context?.namespace_options?.ipc === 'NODE';
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
    bind('/dev/shm', hostIpc ? '/dev/shm' : files.shm),
    bind('/etc/resolv.conf', files.resolvConf),
    bind('/etc/hosts', files.hosts),
    ...(input.netnsPath === undefined ? [] : [bind('/etc/hostname', files.hostname)]),
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

const bind = (destination: string, source: string): OciMount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', 'rw'],
});

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

function ociResources(asked: LinuxContainerResources | null, privileged: boolean): OciResources {
  const devices = privileged
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
  if (asked === null) return { devices };
  const set = <Key extends string>(key: Key, value: string) =>
    (value === '0' ? {} : { [key]: Number(value) }) as Partial<Record<Key, number>>;
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
    ...(asked.hugepage_limits.length === 0
      ? {}
      : {
          hugepageLimits: asked.hugepage_limits.map(({ page_size, limit }) => ({
            pageSize: page_size,
            limit: Number(limit),
          })),
        }),
    ...(Object.keys(asked.unified).length === 0 ? {} : { unified: asked.unified }),
  };
}
