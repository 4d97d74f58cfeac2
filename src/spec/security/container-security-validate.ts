import { NodeletError } from '../../base/errors.js';
import type { LinuxContainerSecurityContext, PodSandboxConfig } from '../../ports/cri/messages.js';
import { validateCapabilities } from './capabilities.js';
import { validateUser } from './image-user.js';
import type { MachineLimits } from '../machine-limits.js';
import { validateSelinux } from './selinux-label.js';
import { appArmorChoice, seccompChoice } from './security-profile.js';
import { securityField } from './security-field.js';

/** Refuses what of a security context can be told without the image, all but namespaces; `sandbox` is the pod to join. */
export function validateContainerSecurity(
  security: LinuxContainerSecurityContext,
  sandbox: PodSandboxConfig,
  machine: MachineLimits,
): void {
  const invalid = (key: string, message: string) =>
    new NodeletError('invalid', message, { field: `${securityField}.${key}` });
  if (security.privileged && sandbox.linux?.security_context?.privileged !== true) {
    throw invalid('privileged', 'the sandbox is not privileged');
  }
  validateUser(security, securityField);
  if (security.capabilities !== null) {
    validateCapabilities(security.capabilities, machine.capabilities, security.privileged);
  }
  seccompChoice(security, securityField);
  appArmorChoice(security, { base: securityField, appArmor: machine.appArmor });
  validateSelinux(security.selinux_options, { base: securityField, machine });
  for (const key of ['masked_paths', 'readonly_paths'] as const) {
    security[key].forEach((path, index) => {
      if (!path.startsWith('/') || path.includes('\0') || path.split('/').includes('..')) {
        throw invalid(`${key}[${index}]`, `"${path}" is no absolute path without ..`);
      }
      // It would be mounted over a root that the process has left behind by then.
      if (/^\/+(\.?\/*)*$/.test(path)) {
        throw invalid(`${key}[${index}]`, 'is the whole root, for which there is readonly_rootfs');
      }
    });
  }
}
