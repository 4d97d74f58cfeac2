import type { ContainerStatus as CriContainerStatus } from '../ports/cri/messages.js';
import type { QosClass } from '../spec/manifests/pod-qos.js';
import { qosClass } from '../spec/manifests/pod-qos.js';
import type { PodContainer } from '../spec/manifests/pod-types.js';
import type { DesiredPod } from './desired-pod.js';
import { kubeTime } from './desired-pod.js';
import type { PodView } from './runtime-view.js';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

export interface ContainerState {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: string | null };
  terminated?: {
    exitCode: number;
    reason: string;
    message?: string;
    startedAt: string | null;
    finishedAt: string | null;
    containerID: string;
  };
}

export interface ContainerStatus {
  name: string;
  image: string;
  imageID: string;
  containerID: string;
  ready: boolean;
  started: boolean;
  restartCount: number;
  state: ContainerState;
  lastState: ContainerState;
}

/** Kubernetes' PodStatus, the part nodelet fills. */
export interface PodStatus {
  phase: PodPhase;
  conditions: { type: string; status: 'True' | 'False' }[];
  hostIP?: string;
  podIP?: string;
  podIPs?: { ip: string }[];
  startTime: string | null;
  qosClass: QosClass;
  containerStatuses: ContainerStatus[];
  initContainerStatuses: ContainerStatus[];
}

/** Why a container isn't running, by container name: kept by the reconciler. */
export type WaitingReasons = ReadonlyMap<string, { reason: string; message?: string }>;

/** Status of a pod from what shall be, what is, and what the agent waits for. Pure. */
export function podStatus(
  record: DesiredPod,
  view: PodView,
  waiting: WaitingReasons,
  hostIp: string,
): PodStatus {
  if (record.finished !== undefined) return record.finished;
  const { spec } = record.pod;
  const status = (container: PodContainer): ContainerStatus =>
    containerStatus(record, container, view, waiting);
  const inits = spec.initContainers.map((container) => ({
    ...status(container),
  }));
  for (const init of inits) init.ready = init.state.terminated?.exitCode === 0;
  const mains = spec.containers.map(status);
  const sandboxReady = view.sandboxes[0]?.state === 'SANDBOX_READY';
  const initialized = inits.every((init) => init.ready);
  const ready = sandboxReady && initialized && mains.every((main) => main.ready);
  const condition = (type: string, holds: boolean): PodStatus['conditions'][number] => ({
    type,
    status: holds ? 'True' : 'False',
  });
  const ips = spec.hostNetwork && sandboxReady && hostIp !== '' ? [hostIp] : view.ips;
  return {
    phase: phaseOf(record, inits, mains),
    conditions: [
      condition('PodReadyToStartContainers', sandboxReady),
      condition('Initialized', initialized),
      condition('Ready', ready),
      condition('ContainersReady', ready),
      condition('PodScheduled', true),
    ],
    ...(hostIp === '' ? {} : { hostIP: hostIp }),
    ...(ips[0] === undefined ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    startTime: kubeTime(record.createdAtNs),
    qosClass: qosClass(record.pod),
    containerStatuses: mains,
    initContainerStatuses: inits,
  };
}

/** Succeeded or Failed once nothing of the pod will run again, by the rules of its restart policy. */
export function phaseOf(record: DesiredPod, inits: ContainerStatus[], mains: ContainerStatus[]): PodPhase {
  const policy = record.pod.spec.restartPolicy;
  if (policy === 'Never' && inits.some((init) => (init.state.terminated?.exitCode ?? 0) !== 0))
    return 'Failed';
  if (inits.some((init) => init.state.terminated?.exitCode !== 0)) return 'Pending';
  const ended = mains.every((main) => main.state.terminated !== undefined);
  const allWell = mains.every((main) => main.state.terminated?.exitCode === 0);
  if (ended && policy !== 'Always') {
    if (allWell) return 'Succeeded';
    if (policy === 'Never') return 'Failed';
  }
  const everRan = mains.every(
    (main) => main.state.running ?? main.state.terminated ?? main.lastState.terminated,
  );
  return everRan ? 'Running' : 'Pending';
}

function terminated(status: CriContainerStatus): NonNullable<ContainerState['terminated']> {
  return {
    exitCode: status.exit_code,
    reason: status.reason || (status.exit_code === 0 ? 'Completed' : 'Error'),
    ...(status.message === '' ? {} : { message: status.message }),
    startedAt: kubeTime(status.started_at),
    finishedAt: kubeTime(status.finished_at),
    containerID: `nodelet://${status.id}`,
  };
}

function containerStatus(
  record: DesiredPod,
  container: PodContainer,
  view: PodView,
  waiting: WaitingReasons,
): ContainerStatus {
  const runs = view.containers.filter((run) => run.metadata?.name === container.name);
  const [newest, previous] = runs;
  const hold = waiting.get(container.name);
  const isInit = record.pod.spec.initContainers.includes(container);
  const current = newest?.sandboxId === view.sandboxes[0]?.id ? newest : undefined;
  let state: ContainerState = {
    waiting: hold ?? {
      reason: isInit || !record.pod.spec.initContainers.length ? 'ContainerCreating' : 'PodInitializing',
    },
  };
  let lastState: ContainerState = {};
  if (current?.state === 'CONTAINER_RUNNING')
    state = { running: { startedAt: kubeTime(current.started_at) } };
  else if (current?.state === 'CONTAINER_EXITED' && hold === undefined)
    state = { terminated: terminated(current) };
  const last = state.waiting !== undefined && newest?.state === 'CONTAINER_EXITED' ? newest : previous;
  if (last?.state === 'CONTAINER_EXITED') lastState = { terminated: terminated(last) };
  const running = state.running !== undefined;
  return {
    name: container.name,
    image: container.image,
    imageID: newest?.image_ref ?? '',
    containerID: newest === undefined ? '' : `nodelet://${newest.id}`,
    ready: running,
    started: running,
    restartCount: Math.max(0, (newest?.metadata?.attempt ?? 0) - (record.firstAttempts[container.name] ?? 0)),
    state,
    lastState,
  };
}
