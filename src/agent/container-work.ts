import { NodeletError, asNodeletError } from '../base/errors.js';
import {
  newCreateContainerRequest,
  newImageSpec,
  newImageStatusRequest,
  newPullImageRequest,
  newRemoveContainerRequest,
  newStartContainerRequest,
  newStopContainerRequest,
} from '../ports/cri/messages.js';
import type { ContainerStatus, PodSandbox, PodSandboxConfig } from '../ports/cri/messages.js';
import type { PodContainer } from '../spec/manifests/pod-types.js';
import type { RetryState } from './back-off.js';
import { afterRestart, restartDueMs } from './back-off.js';
import { containerConfig, podLogFolder } from './cri-requests.js';
import { imageAnnotation } from './desired-pod.js';
import { removeOldRuns } from './logs/old-runs.js';
import type { PodWork } from './pod-work.js';
import { orGone } from './pod-work.js';

/** Runs of one container that stay in the runtime with their logs: the newest, and the one before for `logs --previous` and lastState. */
const runsKept = 2;
const backOffShownMs = 1000;

/** Where a container shall run, and as what. */
export interface ContainerPlace {
  sandbox: PodSandbox;
  config: PodSandboxConfig;
  init: boolean;
}

/** Starts, or restarts by policy, one container. True when it is an init container that has done its work. */
export async function keepRunning(
  work: PodWork,
  container: PodContainer,
  place: ContainerPlace,
): Promise<boolean> {
  const { name } = container;
  const run = work.view.containers.find(
    (one) => one.sandboxId === place.sandbox.id && one.metadata?.name === name,
  );
  const changed = run !== undefined && run.annotations[imageAnnotation] !== container.image;
  if (run?.state === 'CONTAINER_RUNNING' && !changed) {
    work.waiting.delete(name);
    return false;
  }
  if (run?.state === 'CONTAINER_CREATED') {
    await start(work, run.id, name);
    return false;
  }
  if (run?.state === 'CONTAINER_EXITED') {
    if (place.init && run.exit_code === 0) {
      work.waiting.delete(name);
      return true;
    }
    if (!changed && !mayRestart(work, container, run)) return false;
  }
  const failure = work.heldBy(`create/${name}`);
  if (failure !== undefined) {
    showFailure(work, container, failure);
    return false;
  }
  await create(work, container, place, run);
  return false;
}

/** A pull that has failed shows as such for a moment, then as waiting for its next try, as under the kubelet. */
function showFailure(work: PodWork, { name, image }: PodContainer, { reason, message }: RetryState): void {
  if (reason !== 'ErrImagePull') return void work.waiting.set(name, { reason, message });
  if (work.waiting.get(name)?.reason !== 'ImagePullBackOff')
    work.event({ reason: 'BackOff', message: `Back-off pulling image "${image}"`, container: name });
  work.waiting.set(name, { reason: 'ImagePullBackOff', message });
}

/** Whether an ended container may run again now, by policy and back-off. */
function mayRestart(work: PodWork, { name }: PodContainer, run: ContainerStatus): boolean {
  const policy = work.record.pod.spec.restartPolicy;
  if (policy === 'Never' || (run.exit_code === 0 && policy === 'OnFailure')) return false;
  const retry = work.record.retries[`crash/${name}`];
  const dueMs = restartDueMs(retry, endedMs(work, run));
  if (dueMs <= work.nowMs()) return true;
  const message = `back-off ${(retry?.delayMs ?? 0) / 1000}s restarting failed container`;
  if (work.waiting.get(name)?.reason !== 'CrashLoopBackOff')
    work.event({
      reason: 'BackOff',
      message: `Back-off restarting failed container ${name}`,
      type: 'Warning',
      container: name,
    });
  work.waiting.set(name, { reason: 'CrashLoopBackOff', message });
  work.wake(dueMs);
  return false;
}

function endedMs(work: PodWork, run: ContainerStatus): number {
  return Number(BigInt(run.finished_at) / 1_000_000n) || work.nowMs();
}

/** Makes and starts the next run of a container; the run before ends first, once the image is there. */
async function create(
  work: PodWork,
  container: PodContainer,
  place: ContainerPlace,
  before: ContainerStatus | undefined,
): Promise<void> {
  const { name } = container;
  const { cri, files, config } = work.parts;
  let step = 'ErrImagePull';
  try {
    const imageRef = await presentImage(work, container, place.config);
    step = 'CreateContainerError';
    if (before?.state === 'CONTAINER_RUNNING') await stopForChange(work, before);
    await forgetOldRuns(work, name);
    const attempt = await work.nextAttempt(name, restartOf(work, name, before));
    await files.makeDir(`${podLogFolder(work.record, config)}/${name}`);
    const { container_id } = await cri.runtime.CreateContainer(
      newCreateContainerRequest({
        pod_sandbox_id: place.sandbox.id,
        sandbox_config: place.config,
        config: containerConfig(work.record, { container, init: place.init, attempt, imageRef }, config),
      }),
      work.ctx,
    );
    work.event({ reason: 'Created', message: `Created container ${name}`, container: name });
    await start(work, container_id, name);
  } catch (thrown) {
    const error = asNodeletError(thrown);
    const reason = error.message === neverPull ? 'ErrImageNeverPull' : step;
    work.waiting.set(name, { reason, message: error.describe() });
    await work.hold(`create/${name}`, error, { reason, event: 'Failed', container: name });
    if (reason === 'ErrImagePull') work.wake(work.nowMs() + backOffShownMs);
  }
}

/** What a restart after an end changes in the pod's retries; a first start or a change of image is no restart. */
function restartOf(
  work: PodWork,
  name: string,
  before: ContainerStatus | undefined,
): Record<string, RetryState> {
  if (before?.state !== 'CONTAINER_EXITED') return {};
  const key = `crash/${name}`;
  const times = { endedMs: endedMs(work, before), nowMs: work.nowMs() };
  return { [key]: afterRestart(work.record.retries[key], times) };
}

async function stopForChange(work: PodWork, run: ContainerStatus): Promise<void> {
  const name = run.metadata?.name ?? '';
  const message = `Container ${name} definition changed, will be restarted`;
  work.event({ reason: 'Killing', message, container: name });
  const timeout = String(work.record.pod.spec.terminationGracePeriodSeconds);
  const request = newStopContainerRequest({ container_id: run.id, timeout });
  await orGone(work.parts.cri.runtime.StopContainer(request, work.ctx));
}

async function start(work: PodWork, id: string, name: string): Promise<void> {
  const { runtime } = work.parts.cri;
  try {
    await runtime.StartContainer(newStartContainerRequest({ container_id: id }), work.ctx);
    work.waiting.delete(name);
    work.event({ reason: 'Started', message: `Started container ${name}`, container: name });
    await work.succeeded(`create/${name}`);
  } catch (thrown) {
    const error = asNodeletError(thrown);
    const reason = 'RunContainerError';
    work.waiting.set(name, { reason, message: error.describe() });
    await work.hold(`create/${name}`, error, { reason, event: 'Failed', container: name });
    await orGone(runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), work.ctx));
  }
}

const neverPull = 'the image is not present, and imagePullPolicy is Never';

/** Reference of the image to create from, pulled where its policy says so. */
async function presentImage(
  work: PodWork,
  { name, image, imagePullPolicy }: PodContainer,
  config: PodSandboxConfig,
): Promise<string> {
  const spec = newImageSpec({ image, user_specified_image: image });
  const { images } = work.parts.cri;
  if (imagePullPolicy !== 'Always') {
    const { image: present } = await images.ImageStatus(newImageStatusRequest({ image: spec }), work.ctx);
    if (present !== null) return present.id;
    if (imagePullPolicy === 'Never') throw new NodeletError('not-found', neverPull);
  }
  work.event({ reason: 'Pulling', message: `Pulling image "${image}"`, container: name });
  const { image_ref } = await images.PullImage(
    newPullImageRequest({ image: spec, sandbox_config: config }),
    work.ctx,
  );
  work.event({ reason: 'Pulled', message: `Successfully pulled image "${image}"`, container: name });
  return image_ref;
}

async function forgetOldRuns(work: PodWork, name: string): Promise<void> {
  const ended = work.view.containers.filter(
    (run) => run.metadata?.name === name && run.state === 'CONTAINER_EXITED',
  );
  for (const run of ended.slice(runsKept - 1)) {
    const request = newRemoveContainerRequest({ container_id: run.id });
    await orGone(work.parts.cri.runtime.RemoveContainer(request, work.ctx));
  }
  const gone = new Set(ended.slice(runsKept - 1).map(({ id }) => id));
  const kept = work.view.containers.filter((run) => run.metadata?.name === name && !gone.has(run.id));
  const attempts = kept.map((run) => run.metadata?.attempt ?? 0);
  await removeOldRuns(work.parts.files, `${podLogFolder(work.record, work.parts.config)}/${name}`, attempts);
}
