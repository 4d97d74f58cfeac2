import type { CallContext } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import { newAttachRequest, newExecRequest, newPortForwardRequest } from '../ports/cri/messages.js';
import type { AgentParts } from './agent-config.js';
import type { PodReconciler } from './pod-reconciler.js';

/** The streams of a container that a client wants to join. */
export interface PodAttach {
  /** May be left out where the pod has only one. */
  container?: string;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

export interface PodExec extends PodAttach {
  command: string[];
}

/** The URL at which the runtime serves an exec; `wrong-state` when the container doesn't run. */
export async function execUrl(
  pod: PodReconciler,
  { container, command, ...streams }: PodExec,
  parts: AgentParts,
  ctx: CallContext,
): Promise<string> {
  const request = newExecRequest({ container_id: runningId(pod, container), cmd: command, ...streams });
  return (await parts.cri.runtime.Exec(request, ctx)).url;
}

/** As execUrl, for what the container itself reads and prints. */
export async function attachUrl(
  pod: PodReconciler,
  { container, ...streams }: PodAttach,
  parts: AgentParts,
  ctx: CallContext,
): Promise<string> {
  const request = newAttachRequest({ container_id: runningId(pod, container), ...streams });
  return (await parts.cri.runtime.Attach(request, ctx)).url;
}

/** The URL at which the runtime forwards ports into the pod; `wrong-state` when it has no ready sandbox. */
export async function forwardUrl(
  pod: PodReconciler,
  ports: number[],
  parts: AgentParts,
  ctx: CallContext,
): Promise<string> {
  const [newest] = pod.view.sandboxes;
  if (newest?.state !== 'SANDBOX_READY') throw new NodeletError('wrong-state', 'the pod is not running');
  const request = newPortForwardRequest({ pod_sandbox_id: newest.id, port: ports });
  return (await parts.cri.runtime.PortForward(request, ctx)).url;
}

function runningId(pod: PodReconciler, container: string | undefined): string {
  const name = containerName(pod, container);
  const run = pod.view.containers.find(
    (one) => one.metadata?.name === name && one.state === 'CONTAINER_RUNNING',
  );
  if (run !== undefined) return run.id;
  throw new NodeletError('wrong-state', `container ${name} is not running`, { field: 'container' });
}

/** The container that is meant, of a pod that may have only one. */
export function containerName({ record }: PodReconciler, wanted: string | undefined): string {
  const { containers, initContainers } = record.pod.spec;
  const names = [...containers, ...initContainers].map(({ name }) => name);
  const choice = wanted ?? (containers.length === 1 ? containers[0]?.name : undefined);
  if (choice !== undefined && names.includes(choice)) return choice;
  throw choice === undefined
    ? new NodeletError('invalid', `a container must be named, one of: ${names.join(', ')}`, {
        field: 'container',
      })
    : new NodeletError('not-found', `the pod has no container ${choice}, only: ${names.join(', ')}`, {
        field: 'container',
      });
}
