import { asNodeletError } from '../base/errors.js';
import {
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
} from '../ports/cri/messages.js';
import type { PodSandbox } from '../ports/cri/messages.js';
import { podLogFolder, sandboxConfig } from './cri-requests.js';
import { specHashAnnotation } from './desired-pod.js';
import { prepareVolumes } from './pod-volumes.js';
import type { PodWork } from './pod-work.js';
import { orGone } from './pod-work.js';

/** The sandbox to work in: the ready one of the present spec, else a new one once the old ones are gone. */
export async function currentSandbox(work: PodWork): Promise<PodSandbox | undefined> {
  const good = work.view.sandboxes.find(
    ({ state, annotations }) =>
      state === 'SANDBOX_READY' && annotations[specHashAnnotation] === work.record.specHash,
  );
  const others = work.view.sandboxes.filter((sandbox) => sandbox !== good);
  for (const sandbox of others) {
    const changed = sandbox.annotations[specHashAnnotation] !== work.record.specHash;
    work.event(
      changed
        ? { reason: 'Killing', message: 'The spec has changed: the pod will be started anew' }
        : { reason: 'SandboxChanged', message: 'Pod sandbox changed, it will be killed and re-created' },
    );
    await stopContainers(work, sandbox.id, work.record.pod.spec.terminationGracePeriodSeconds);
    await removeSandbox(work, sandbox.id);
  }
  if (others.length > 0) await work.look();
  return good ?? (await newSandbox(work));
}

async function newSandbox(work: PodWork): Promise<PodSandbox | undefined> {
  const { cri, files, config } = work.parts;
  if (work.heldBy('sandbox') !== undefined) return undefined;
  try {
    await prepareVolumes(work.record, files, config);
    await files.makeDir(podLogFolder(work.record, config));
    const wanted = sandboxConfig(work.record, await work.nextAttempt(''), config);
    await cri.runtime.RunPodSandbox(newRunPodSandboxRequest({ config: wanted }), work.ctx);
    await work.succeeded('sandbox');
  } catch (thrown) {
    const reason = 'FailedCreatePodSandBox';
    await work.hold('sandbox', asNodeletError(thrown), { reason, event: reason });
    return undefined;
  }
  await work.look();
  return work.view.sandboxes.find(({ state }) => state === 'SANDBOX_READY');
}

/** Stops the running containers of a sandbox, side by side. */
export async function stopContainers(work: PodWork, sandboxId: string, graceSeconds: number): Promise<void> {
  const running = work.view.containers.filter(
    (run) => run.sandboxId === sandboxId && run.state === 'CONTAINER_RUNNING',
  );
  await Promise.all(
    running.map(async (run) => {
      const name = run.metadata?.name ?? '';
      work.event({ reason: 'Killing', message: `Stopping container ${name}`, container: name });
      const request = newStopContainerRequest({ container_id: run.id, timeout: String(graceSeconds) });
      await orGone(work.parts.cri.runtime.StopContainer(request, work.ctx));
    }),
  );
}

export async function stopSandbox(work: PodWork, id: string): Promise<void> {
  const request = newStopPodSandboxRequest({ pod_sandbox_id: id });
  await orGone(work.parts.cri.runtime.StopPodSandbox(request, work.ctx));
}

export async function removeSandbox(work: PodWork, id: string): Promise<void> {
  await stopSandbox(work, id);
  const request = newRemovePodSandboxRequest({ pod_sandbox_id: id });
  await orGone(work.parts.cri.runtime.RemovePodSandbox(request, work.ctx));
}
