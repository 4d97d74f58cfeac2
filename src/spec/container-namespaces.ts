import type { ContainerConfig, PodSandboxConfig } from '../ports/cri/messages.js';
import type { IdMapping } from '../ports/mounts.js';
import type { OciNamespace } from './oci-spec-types.js';

export interface ContainerNamespacesInput {
  config: ContainerConfig;
  sandboxConfig: PodSandboxConfig;
  /** Process 1 of the infra container, whose namespaces are joined. */
  infraPid: number;
  /** Process 1 of the container that `target_id` names, for a pid of TARGET. */
  targetPid: number | undefined;
  /** Of the pod's user namespace; undefined: it is in the host's. */
  idMapping: IdMapping | undefined;
  /** The pod's pinned network namespace; undefined: the host's. */
  netnsPath: string | undefined;
}

/** The namespaces that a container joins or gets anew; one that isn't named is the host's. */
export function containerNamespaces(input: ContainerNamespacesInput): OciNamespace[] {
  const { config, netnsPath, infraPid, targetPid } = input;
  const options = config.linux?.security_context?.namespace_options;
  const of = (pid: number, name: string) => `/proc/${pid}/ns/${name}`;
  const list: OciNamespace[] = [{ type: 'mount' }];
  if (options?.network === 'CONTAINER') list.push({ type: 'network' });
  else if (netnsPath !== undefined) list.push({ type: 'network', path: netnsPath });
  if (netnsPath !== undefined) list.push({ type: 'uts', path: of(infraPid, 'uts') });
  if (input.idMapping !== undefined) list.push({ type: 'user', path: of(infraPid, 'user') });
  const ipc = ipcOwner(config, input.sandboxConfig);
  if (ipc === 'container') list.push({ type: 'ipc' });
  if (ipc === 'pod') list.push({ type: 'ipc', path: of(infraPid, 'ipc') });
  if (options?.pid === 'CONTAINER') list.push({ type: 'pid' });
  else if (targetPid !== undefined) list.push({ type: 'pid', path: of(targetPid, 'pid') });
  else if (options?.pid !== 'NODE') list.push({ type: 'pid', path: of(infraPid, 'pid') });
  return list;
}

/** Whose IPC namespace, and so whose /dev/shm, a container has. */
export function ipcOwner(config: ContainerConfig, sandbox: PodSandboxConfig): 'host' | 'pod' | 'container' {
  if (config.linux?.security_context?.namespace_options?.ipc === 'CONTAINER') return 'container';
  return sandbox.linux?.security_context?.namespace_options?.ipc === 'NODE' ? 'host' : 'pod';
}
