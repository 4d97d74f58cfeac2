import { NodeletError } from '../../base/errors.js';
import type { PodReconciler } from '../pod-reconciler.js';
import type { ContainerStatus } from '../pod-status.js';
import { podStatus } from '../pod-status.js';
import type { PodView } from '../runtime-view.js';

/** One container of a pod. */
export interface PodContainerName {
  pod: PodReconciler;
  container: string;
}

/**
 * Attempt number of the run whose log is meant, by the kubelet's rules: the one that runs or has ended, while a container
 * waits for its next start the one before, and with `previous` the last that ended before what the status shows now.
 * Refuses with `wrong-state` where there is none.
 */
export function chosenAttempt(of: PodContainerName, view: PodView, previous: boolean): number {
  const status = statusOf(of, view);
  const ended = previous
    ? status.lastState.terminated
    : (status.state.terminated ?? status.lastState.terminated);
  const id = !previous && status.state.running !== undefined ? status.containerID : ended?.containerID;
  if (id === undefined) throw previous ? noPreviousRun(of) : waitingToStart(of, status);
  const run = view.containers.find((one) => `nodelet://${one.id}` === id);
  if (run?.metadata) return run.metadata.attempt;
  throw new NodeletError('wrong-state', `the run of ${title(of)} is no longer kept`, { field: 'container' });
}

/** Whether the container has not begun any run that has a log. */
export function waitsForFirstRun(of: PodContainerName, view: PodView): boolean {
  const { state, lastState } = statusOf(of, view);
  return state.waiting !== undefined && lastState.terminated === undefined;
}

function statusOf({ pod, container }: PodContainerName, view: PodView): ContainerStatus {
  const { containerStatuses, initContainerStatuses } = podStatus(pod.record, view, pod.waiting, '');
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
  if (status !== undefined) return status;
  throw new NodeletError('bug', `container ${container} has no status`);
}

const title = ({ pod, container }: PodContainerName): string =>
  `container "${container}" in pod "${pod.record.pod.metadata.name}"`;

function noPreviousRun(of: PodContainerName): NodeletError {
  return new NodeletError('wrong-state', `${title(of)} has no previous run that has ended`, {
    field: 'previous',
    remedy: 'leave it out to see the present run',
  });
}

function waitingToStart(of: PodContainerName, { state }: ContainerStatus): NodeletError {
  const { reason, message } = state.waiting ?? { reason: 'ContainerCreating' };
  const why = message === undefined ? reason : `${reason} (${message})`;
  return new NodeletError('wrong-state', `${title(of)} is waiting to start: ${why}`, {
    field: 'container',
    remedy: 'try again once it has started, or wait for it with `nodelet logs --follow`',
  });
}
