import type { CallContext } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import { newAttachRequest, newExecRequest, newPortForwardRequest } from '../ports/cri/messages.js';
import type { AgentParts } from './agent-config.js';
import { containerLogFile, podLogFolder } from './cri-requests.js';
import type { LogOptions } from './pod-logs.js';
import { readContainerLog } from './pod-logs.js';
import type { PodReconciler } from './pod-reconciler.js';

export interface ContainerLogOptions extends LogOptions {
  /** May be left out where the pod has only one. */
  container?: string;
  /** The run before the present one. */
  previous?: boolean;
}

/** The log of one container's newest run, or of the one before. `ended` tells that the pod is no longer there. */
export async function* containerLog(
  pod: PodReconciler,
  options: ContainerLogOptions,
  parts: AgentParts,
  { signal, ended }: { signal: AbortSignal; ended: () => boolean },
): AsyncGenerator<string> {
  const name = containerName(pod, options.container);
  const newest = (pod.record.attempts[name] ?? 0) - 1;
  const attempt = options.previous === true ? newest - 1 : newest;
  if (attempt < 0)
    throw new NodeletError(
      'not-found',
      options.previous === true
        ? `container ${name} has no previous run`
        : `container ${name} has not run yet`,
      { field: 'container' },
    );
  const path = `${podLogFolder(pod.record, parts.config)}/${containerLogFile(name, attempt)}`;
  const over = (): boolean => {
    const run = pod.view.containers.find(
      (one) => one.metadata?.name === name && one.metadata.attempt === attempt,
    );
    return run?.state === 'CONTAINER_EXITED' || ended();
  };
  yield* readContainerLog(path, options, parts.clock, signal, over);
}

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

function containerName({ record }: PodReconciler, wanted: string | undefined): string {
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
