import type { ContainerFilter, PodSandboxFilter } from '../ports/cri/messages.js';
import {
  newContainer,
  newContainerMetadata,
  newContainerResources,
  newContainerStatus,
  newContainerUser,
  newLinuxPodSandboxStatus,
  newNamespace,
  newPodIP,
  newPodSandbox,
  newPodSandboxNetworkStatus,
  newPodSandboxStatus,
} from '../ports/cri/messages.js';
import type {
  Container,
  ContainerState,
  ContainerStatus,
  PodSandbox,
  PodSandboxState,
  PodSandboxStatus,
} from '../ports/cri/messages.js';
import { stopSignalName } from '../spec/stop-signal.js';
import type { ContainerRecord, SandboxRecord } from '../state/records.js';
import { frozenOnce } from './frozen-once.js';
import { toldImage } from './containers/container-image.js';

/** The CRI state of a sandbox; undefined for one that CRI doesn't see yet. One whose removal failed stays to be seen, so that clients try again. */
export function sandboxState(record: SandboxRecord): PodSandboxState | undefined {
  if (record.stage === 'creating') return undefined;
  return record.stage === 'ready' ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY';
}

export function containerState(record: ContainerRecord): ContainerState | undefined {
  switch (record.stage) {
    case 'creating':
    case 'removing':
      return undefined;
    case 'created':
    case 'starting':
      return 'CONTAINER_CREATED';
    case 'running':
      return 'CONTAINER_RUNNING';
    case 'exited':
      return 'CONTAINER_EXITED';
  }
}

export function sandboxStatus(record: SandboxRecord): PodSandboxStatus {
  const [first, ...others] = record.ips;
  return newPodSandboxStatus({
    id: record.id,
    metadata: record.config.metadata,
    state: sandboxState(record) ?? 'SANDBOX_NOTREADY',
    created_at: record.createdAtNs,
    network: newPodSandboxNetworkStatus({
      ip: first ?? '',
      additional_ips: others.map((ip) => newPodIP({ ip })),
    }),
    linux: newLinuxPodSandboxStatus({
      namespaces: newNamespace({
        options: record.config.linux?.security_context?.namespace_options ?? null,
      }),
    }),
    labels: record.config.labels,
    annotations: record.config.annotations,
    runtime_handler: record.requestedHandler,
  });
}

/** In lists, which are asked for again and again. */
export const sandboxItem = frozenOnce((record: SandboxRecord): PodSandbox =>
  newPodSandbox({
    id: record.id,
    metadata: record.config.metadata,
    state: sandboxState(record) ?? 'SANDBOX_NOTREADY',
    created_at: record.createdAtNs,
    labels: record.config.labels,
    annotations: record.config.annotations,
    runtime_handler: record.requestedHandler,
  }),
);

export function containerStatus(record: ContainerRecord): ContainerStatus {
  return newContainerStatus({
    id: record.id,
    metadata: record.config.metadata ?? newContainerMetadata(),
    state: containerState(record) ?? 'CONTAINER_UNKNOWN',
    created_at: record.createdAtNs,
    started_at: record.startedAtNs,
    finished_at: record.finishedAtNs,
    exit_code: record.exitCode,
    ...toldImage(record),
    reason: record.reason,
    message: record.message,
    labels: record.config.labels,
    annotations: record.config.annotations,
    mounts: record.mounts ?? record.config.mounts,
    log_path: record.logPath ?? '',
    resources: newContainerResources({ linux: record.resources ?? record.config.linux?.resources ?? null }),
    user: newContainerUser({ linux: record.user }),
    stop_signal: stopSignalName(record.stopSignal),
  });
}

export const containerItem = frozenOnce((record: ContainerRecord): Container =>
  newContainer({
    id: record.id,
    pod_sandbox_id: record.sandboxId,
    metadata: record.config.metadata,
    ...toldImage(record),
    state: containerState(record) ?? 'CONTAINER_UNKNOWN',
    created_at: record.createdAtNs,
    labels: record.config.labels,
    annotations: record.config.annotations,
  }),
);

/** The order of lists: what was made last comes first, whatever has been restarted since. */
export function newestFirst(a: { createdAtNs: string }, b: { createdAtNs: string }): number {
  return Number(BigInt(b.createdAtNs) - BigInt(a.createdAtNs));
}

function hasLabels(labels: Record<string, string>, selector: Record<string, string>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** CRI ListPodSandbox: id prefix, state and labels, all of which must hold. */
export function sandboxMatches(record: SandboxRecord, filter: PodSandboxFilter | null): boolean {
  const state = sandboxState(record);
  if (state === undefined) return false;
  if (filter === null) return true;
  return (
    record.id.startsWith(filter.id) &&
    (filter.state === null || filter.state.state === state) &&
    hasLabels(record.config.labels, filter.label_selector)
  );
}

export function containerMatches(record: ContainerRecord, filter: ContainerFilter | null): boolean {
  const state = containerState(record);
  if (state === undefined) return false;
  if (filter === null) return true;
  return (
    record.id.startsWith(filter.id) &&
    record.sandboxId.startsWith(filter.pod_sandbox_id) &&
    (filter.state === null || filter.state.state === state) &&
    hasLabels(record.config.labels, filter.label_selector)
  );
}
