import { NodeletError } from '../base/errors.js';
import type { ContainerConfig } from '../ports/cri/messages.js';
import type { PodFiles, PreparedMount } from './mounts/container-mounts.js';
import { containerMounts, rootPropagation } from './mounts/container-mounts.js';
import type { ContainerNamespacesInput } from './container-namespaces.js';
import { containerNamespaces } from './container-namespaces.js';
import { ociResources } from './resources/container-resources.js';
import { ociMappings } from './mounts/id-mappings.js';
import type { MachineLimits } from './machine-limits.js';
import type { OciBlockIo, OciDevice, OciDeviceRule, OciIntelRdt, OciSpec } from './oci-spec-types.js';
import type { ProcessSecurity } from './security/process-security.js';
import { linuxSecurity, processSecurity } from './security/process-security.js';
import { readOnlyPaths } from './mounts/read-only-paths.js';

export interface ContainerSpecInput extends ContainerNamespacesInput {
  mounts: readonly PreparedMount[];
  sandboxId: string;
  image: { env: string[]; entrypoint: string[]; cmd: string[]; workingDir: string };
  rootfs: string;
  /** Who the process is and what it may do. */
  security: ProcessSecurity;
  cgroupsPath: string;
  /** The pod's, or the host's where the pod has none of its own. */
  hostname: string;
  files: PodFiles;
  /** Beyond those that every container has; `rules` are for one that isn't privileged. */
  devices: { files: OciDevice[]; rules: OciDeviceRule[] };
  /** Of block I/O and of caches, where annotations choose some. */
  classes: { blockIo: OciBlockIo | undefined; intelRdt: OciIntelRdt | undefined };
  machine: MachineLimits;
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** OCI config of a pod's container, from the CRI config over the image's (runtime-spec config.md and config-linux.md). */
export function buildContainerSpec(input: ContainerSpecInput): OciSpec {
  const { config, image, machine, classes } = input;
  const context = config.linux?.security_context ?? null;
  const privileged = context?.privileged ?? false;
  const resources = config.linux?.resources ?? null;
  const readOnlyRoot = context?.readonly_rootfs ?? false;
  const propagation = rootPropagation(config);
  const limits = ociResources(resources, privileged, machine);
  const mounts = containerMounts({
    mounts: input.mounts,
    files: input.files,
    privileged,
    mapping: input.idMapping,
    hostNetwork: input.netnsPath === undefined,
    readOnlyRoot,
  });
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: config.tty,
      args: processArgs(config, image),
      env: processEnv(config, image.env, input.hostname),
      cwd: config.working_dir || image.workingDir || '/',
      noNewPrivileges: context?.no_new_privs ?? false,
      ...processSecurity(input.security),
      oomScoreAdj: oomScore(config, machine).given,
    },
    root: { path: input.rootfs, readonly: readOnlyRoot },
    mounts,
    // The request's own annotations stay out: OCI runtimes take orders from annotations.
    annotations: {
      'io.kubernetes.cri.container-type': 'container',
      'io.kubernetes.cri.sandbox-id': input.sandboxId,
    },
    linux: {
      // On v1 the runtime shows a container its own groups by mounts alone; v2 has one tree, which only a namespace cuts.
      namespaces: [
        ...containerNamespaces(input),
        ...(machine.cgroupV2 && !privileged ? [{ type: 'cgroup' as const }] : []),
      ],
      ...ociMappings(input.idMapping),
      cgroupsPath: input.cgroupsPath,
      resources: {
        ...limits,
        devices: [...(limits.devices ?? []), ...input.devices.rules],
        ...(classes.blockIo === undefined ? {} : { blockIO: classes.blockIo }),
      },
      ...(classes.intelRdt === undefined ? {} : { intelRdt: classes.intelRdt }),
      ...linuxSecurity(input.security),
      ...(input.devices.files.length === 0 ? {} : { devices: input.devices.files }),
      ...(privileged
        ? {}
        : {
            maskedPaths: context?.masked_paths ?? [],
            readonlyPaths: readOnlyPaths(context?.readonly_paths ?? [], mounts),
          }),
      ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    },
  };
}

/** The oom_score_adj asked for, and what the machine lets the agent give. */
export function oomScore(
  config: ContainerConfig,
  { lowestOomScore }: Pick<MachineLimits, 'lowestOomScore'>,
): { asked: number; given: number } {
  const asked = Number(config.linux?.resources?.oom_score_adj ?? '0');
  return { asked, given: Math.max(asked, lowestOomScore) };
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
