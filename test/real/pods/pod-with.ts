import {
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newNamespaceOption,
} from '../../../src/ports/cri/messages.js';
import type { NamespaceOption } from '../../../src/ports/cri/messages.js';

/** The parts of a sandbox's and a container's config that ask for the same namespaces. */
export function podWith(options: Partial<NamespaceOption>) {
  const namespace_options = newNamespaceOption(options);
  return {
    pod: {
      linux: newLinuxPodSandboxConfig({
        security_context: newLinuxSandboxSecurityContext({ namespace_options }),
      }),
    },
    container: {
      linux: newLinuxContainerConfig({
        security_context: newLinuxContainerSecurityContext({ namespace_options }),
      }),
    },
  };
}
