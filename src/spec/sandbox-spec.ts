import type { PodSandboxConfig } from '../ports/cri/messages.js';
import type { IdMapping } from '../ports/mounts.js';
import { ociMappings } from './mounts/id-mappings.js';
import type { MachineLimits } from './machine-limits.js';
import type { OciNamespace, OciSpec } from './oci-spec-types.js';
import type { ProcessSecurity } from './security/process-security.js';
import { linuxSecurity, processSecurity } from './security/process-security.js';

export interface SandboxSpecInput {
  config: PodSandboxConfig;
  rootfs: string;
  args: string[];
  env: string[];
  /** Where the pod's network namespace is pinned, or will be, in a user namespace; undefined: the host's. */
  netnsPath: string | undefined;
  /** Of the pod's user namespace, in which all of its namespaces are made anew. */
  idMapping: IdMapping | undefined;
  cgroupsPath: string;
  /** Who the process is and what it may do. */
  security: ProcessSecurity;
  machine: Pick<MachineLimits, 'lowestOomScore'>;
}

/** The infra container dies last of its pod, as under the kubelet. */
const infraOomScore = -998;

/** OCI config of a pod's infra container: it holds the pod's namespaces and does nothing else. */
export function buildSandboxSpec(input: SandboxSpecInput): OciSpec {
  const { config, machine } = input;
  const context = config.linux?.security_context ?? null;
  const options = context?.namespace_options;
  const hostNetwork = input.netnsPath === undefined;
  const namespaces: OciNamespace[] = [{ type: 'mount' }];
  if (input.netnsPath !== undefined)
    namespaces.push(
      input.idMapping === undefined ? { type: 'network', path: input.netnsPath } : { type: 'network' },
      { type: 'uts' },
    );
  if (input.idMapping !== undefined) namespaces.push({ type: 'user' });
  if (options?.ipc !== 'NODE') namespaces.push({ type: 'ipc' });
  if (options?.pid !== 'NODE') namespaces.push({ type: 'pid' });
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      args: input.args,
      env: input.env,
      cwd: '/',
      noNewPrivileges: true,
      ...processSecurity(input.security),
      oomScoreAdj: Math.max(infraOomScore, machine.lowestOomScore),
    },
    root: { path: input.rootfs, readonly: true },
    ...(hostNetwork || config.hostname === '' ? {} : { hostname: config.hostname }),
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
    ],
    linux: {
      namespaces,
      ...ociMappings(input.idMapping),
      cgroupsPath: input.cgroupsPath,
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      ...linuxSecurity(input.security),
      ...(Object.keys(config.linux?.sysctls ?? {}).length === 0
        ? {}
        : { sysctl: config.linux?.sysctls ?? {} }),
    },
  };
}
