import type { CallContext } from '../base/call-context.js';
import { isKind } from '../base/errors.js';
import {
  newContainerFilter,
  newContainerStatusRequest,
  newListContainersRequest,
  newListPodSandboxRequest,
  newPodSandboxFilter,
  newPodSandboxStatusRequest,
} from '../ports/cri/messages.js';
import type { ContainerStatus, PodSandbox } from '../ports/cri/messages.js';
import type { CriRuntime } from '../ports/cri/runtime.js';
import { labelNames } from './desired-pod.js';

/** What the runtime has of one pod. */
export interface PodView {
  /** Newest attempt first. */
  sandboxes: PodSandbox[];
  /** Of all its sandboxes, newest attempt first. */
  containers: (ContainerStatus & { sandboxId: string })[];
  /** Addresses of the newest sandbox while it is ready. */
  ips: string[];
}

export const emptyView: PodView = { sandboxes: [], containers: [], ips: [] };

/** Reads one pod's sandboxes and containers from the runtime, with each container's status. */
export async function viewPod(cri: CriRuntime, uid: string, ctx: CallContext): Promise<PodView> {
  const label_selector = { [labelNames.podUid]: uid };
  const [{ items }, { containers }] = await Promise.all([
    cri.runtime.ListPodSandbox(
      newListPodSandboxRequest({ filter: newPodSandboxFilter({ label_selector }) }),
      ctx,
    ),
    cri.runtime.ListContainers(
      newListContainersRequest({ filter: newContainerFilter({ label_selector }) }),
      ctx,
    ),
  ]);
  const sandboxes = [...items].sort((a, b) => (b.metadata?.attempt ?? 0) - (a.metadata?.attempt ?? 0));
  const newest = sandboxes[0];
  const [ips, statuses] = await Promise.all([
    newest?.state === 'SANDBOX_READY' ? sandboxIps(cri, newest.id, ctx) : [],
    Promise.all(
      containers.map(async (container) => {
        const status = await orGone(
          cri.runtime.ContainerStatus(newContainerStatusRequest({ container_id: container.id }), ctx),
        );
        return status?.status ? [{ ...status.status, sandboxId: container.pod_sandbox_id }] : [];
      }),
    ),
  ]);
  return {
    sandboxes,
    containers: statuses.flat().sort((a, b) => (b.metadata?.attempt ?? 0) - (a.metadata?.attempt ?? 0)),
    ips,
  };
}

async function sandboxIps(cri: CriRuntime, id: string, ctx: CallContext): Promise<string[]> {
  const answer = await orGone(
    cri.runtime.PodSandboxStatus(newPodSandboxStatusRequest({ pod_sandbox_id: id }), ctx),
  );
  const network = answer?.status?.network;
  if (!network || network.ip === '') return [];
  return [network.ip, ...network.additional_ips.map(({ ip }) => ip)];
}

/** Between listing and asking a thing may go: that is no error. */
async function orGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (isKind(thrown, 'not-found')) return undefined;
    throw thrown;
  }
}

/** A fingerprint of every pod's runtime state, by pod uid: a changed one means that the pod wants a look. */
export async function fingerprints(cri: CriRuntime, ctx: CallContext): Promise<Map<string, string>> {
  const [{ items }, { containers }] = await Promise.all([
    cri.runtime.ListPodSandbox(newListPodSandboxRequest(), ctx),
    cri.runtime.ListContainers(newListContainersRequest(), ctx),
  ]);
  const lines = new Map<string, string[]>();
  for (const { id, state, labels } of [...items, ...containers]) {
    const uid = labels[labelNames.podUid];
    if (uid === undefined) continue;
    const own = lines.get(uid) ?? [];
    own.push(`${id} ${state}`);
    lines.set(uid, own);
  }
  return new Map([...lines].map(([uid, own]) => [uid, own.sort().join('\n')]));
}
