import { NodeletError } from '../../base/errors.js';
import type { ContainerId, SandboxId } from '../../base/ids.js';
import type { ContainerConfig } from '../../ports/cri/messages.js';
import type { ProcessIdentity } from '../../ports/processes.js';
import { isAlive } from '../liveness.js';
import type { Pods } from '../pods.js';
import { namespacesField } from '../../spec/security/security-field.js';

const field = `${namespacesField}.target_id`;

/**
 * Process 1 of the container whose PID namespace a config asks to join; undefined where it asks for none. That container
 * has to run, and be of the same sandbox: a debugger sees into its own pod alone.
 */
export function pidTarget(
  pods: Pods,
  { config, sandboxId }: { config: ContainerConfig; sandboxId: SandboxId },
): ProcessIdentity | undefined {
  const options = config.linux?.security_context?.namespace_options;
  if (options?.pid !== 'TARGET') return undefined;
  const target = pods.ledger.container(options.target_id as ContainerId);
  if (target?.sandboxId !== sandboxId) {
    throw new NodeletError('not-found', `this sandbox has no container "${options.target_id}"`, { field });
  }
  if (target.stage === 'running' && isAlive(pods, target.process)) return target.process;
  const seen = target.stage === 'running' ? 'has just ended' : `is ${target.stage}`;
  throw new NodeletError('wrong-state', `container ${target.id} ${seen}, not running`, {
    field,
    remedy: 'name a running container',
  });
}
