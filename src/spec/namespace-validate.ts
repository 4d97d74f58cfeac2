import { NodeletError } from '../base/errors.js';
import type { NamespaceOption, PodSandboxConfig } from '../ports/cri/messages.js';
import { namespacesField } from './security/security-field.js';

const invalid = (field: string, message: string, remedy?: string) =>
  new NodeletError('invalid', message, remedy === undefined ? { field } : { field, remedy });

/** Refuses namespaces that a sandbox can't have. CONTAINER is the sandbox's own here, as POD is: nobody has joined it yet. */
export function validateSandboxNamespaces(options: NamespaceOption | null): void {
  if (options === null) return;
  for (const key of ['network', 'ipc', 'pid'] as const) {
    if (options[key] === 'TARGET')
      throw invalid(`${namespacesField}.${key}`, 'TARGET is only for pid of a container');
  }
  if (options.target_id !== '') {
    throw invalid(
      `${namespacesField}.target_id`,
      'is set, but a sandbox joins no container',
      'leave the field out',
    );
  }
}

/**
 * Refuses namespaces that a container can't have in its sandbox. POD is whatever the sandbox has, and CONTAINER one of the
 * container's own in any sandbox; the host's has to be the whole pod's, as Kubernetes grants it to pods and not to containers.
 */
export function validateContainerNamespaces(
  options: NamespaceOption | null,
  sandbox: PodSandboxConfig,
): void {
  if (options === null) return;
  const pod = sandbox.linux?.security_context?.namespace_options;
  for (const key of ['network', 'ipc', 'pid'] as const) {
    if (options[key] === 'NODE' && pod?.[key] !== 'NODE') {
      throw invalid(`${namespacesField}.${key}`, "is NODE, but the sandbox has the pod's own");
    }
    if (options[key] === 'TARGET' && key !== 'pid')
      throw invalid(`${namespacesField}.${key}`, 'TARGET is only for pid');
  }
  if (options.pid === 'TARGET' && options.target_id === '') {
    throw invalid(
      `${namespacesField}.target_id`,
      'is empty, but pid is TARGET',
      'name a running container of the pod',
    );
  }
  if (options.pid !== 'TARGET' && options.target_id !== '') {
    throw invalid(`${namespacesField}.target_id`, `is set, but pid is ${options.pid}`, 'set pid: TARGET');
  }
}
