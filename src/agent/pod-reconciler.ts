import type { CallContext } from '../base/call-context.js';
import { backgroundContext } from '../base/call-context.js';
import type { NodeletError } from '../base/errors.js';
import { asNodeletError, isKind } from '../base/errors.js';
import {
  newCreateContainerRequest,
  newImageSpec,
  newImageStatusRequest,
  newPullImageRequest,
  newRemoveContainerRequest,
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStartContainerRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
} from '../ports/cri/messages.js';
import type { PodSandbox, PodSandboxConfig } from '../ports/cri/messages.js';
import type { PodContainer } from '../spec/pod-types.js';
import type { AgentParts } from './agent-config.js';
import { BackOff } from './back-off.js';
import {
  containerConfig,
  containerLogFile,
  podLogFolder,
  podVolumesFolder,
  sandboxConfig,
} from './cri-requests.js';
import type { DesiredPod } from './desired-pod.js';
import { specHashAnnotation } from './desired-pod.js';
import type { EventLog, NewEvent } from './event-log.js';
import { podStatus } from './pod-status.js';
import { prepareVolumes } from './pod-volumes.js';
import type { PodView } from './runtime-view.js';
import { emptyView, viewPod } from './runtime-view.js';

/** Exited runs of one container that stay in the runtime, for `logs --previous` and lastState. */
const runsKept = 2;

/**
 * Brings one pod to what is desired. A pass reads the runtime afresh and does what is missing, so that a pass after a
 * crash, a failure or a change from outside is the same as any other. Passes of one pod never overlap: agent.ts queues them.
 */
export class PodReconciler {
  view: PodView = emptyView;
  readonly waiting = new Map<string, { reason: string; message?: string }>();
  /** Wall-clock milliseconds at which a further pass is due by itself. */
  dueMs: number | undefined;
  private readonly backOff = new BackOff();
  private readonly ctx: CallContext;

  constructor(
    private readonly parts: AgentParts,
    private readonly events: EventLog,
    public record: DesiredPod,
    private readonly save: (record: DesiredPod) => Promise<void>,
    signal: AbortSignal,
  ) {
    const { name, namespace } = record.pod.metadata;
    this.ctx = backgroundContext(parts.log.child({ pod: `${namespace}/${name}`, uid: record.uid }), signal);
  }

  /** One pass. `gone` when the pod has been deleted with all that it had. */
  async pass(): Promise<'kept' | 'gone'> {
    this.dueMs = undefined;
    await this.look();
    if (this.record.deletion !== undefined) {
      await this.remove();
      return 'gone';
    }
    if (this.record.finished !== undefined) {
      for (const { id, state } of this.view.sandboxes)
        if (state === 'SANDBOX_READY') await this.stopSandbox(id);
      return 'kept';
    }
    const sandbox = await this.currentSandbox();
    if (sandbox === undefined) return 'kept';
    const config = sandboxConfig(this.record, sandbox.metadata?.attempt ?? 0, this.parts.config);
    if (await this.initsDone(sandbox, config))
      for (const container of this.record.pod.spec.containers)
        await this.keepRunning(sandbox, config, container, false);
    await this.look();
    await this.finishIfEnded();
    return 'kept';
  }

  private async look(): Promise<void> {
    this.view = await viewPod(this.parts.cri, this.record.uid, this.ctx);
  }

  private event(event: NewEvent): void {
    this.events.add(this.record, event);
    const fields = { reason: event.reason, container: event.container };
    if (event.type === 'Warning') this.ctx.log.warn(fields, event.message);
    else this.ctx.log.info(fields, event.message);
  }

  private nowMs(): number {
    return Number(this.parts.clock.nowNs() / 1_000_000n);
  }

  private wake(atMs: number): void {
    this.dueMs = Math.min(this.dueMs ?? Infinity, atMs);
  }

  private async nextAttempt(name: string): Promise<number> {
    const attempt = this.record.attempts[name] ?? 0;
    this.record = { ...this.record, attempts: { ...this.record.attempts, [name]: attempt + 1 } };
    await this.save(this.record);
    return attempt;
  }

  /** The sandbox to work in: the ready one of the present spec, else a new one once the old ones are gone. */
  private async currentSandbox(): Promise<PodSandbox | undefined> {
    const good = this.view.sandboxes.find(
      ({ state, annotations }) =>
        state === 'SANDBOX_READY' && annotations[specHashAnnotation] === this.record.specHash,
    );
    const others = this.view.sandboxes.filter((sandbox) => sandbox !== good);
    for (const sandbox of others) {
      const changed = sandbox.annotations[specHashAnnotation] !== this.record.specHash;
      this.event(
        changed
          ? { reason: 'Killing', message: 'The spec has changed: the pod will be started anew' }
          : { reason: 'SandboxChanged', message: 'Pod sandbox changed, it will be killed and re-created' },
      );
      await this.stopContainers(sandbox.id, this.record.pod.spec.terminationGracePeriodSeconds);
      await this.removeSandbox(sandbox.id);
    }
    if (others.length > 0) await this.look();
    if (good !== undefined) return good;
    const retryMs = this.heldUntil('sandbox');
    if (retryMs !== undefined) return void this.wake(retryMs);
    try {
      await prepareVolumes(this.record, this.parts.files, this.parts.config);
      await this.parts.files.makeDir(podLogFolder(this.record, this.parts.config));
      const config = sandboxConfig(this.record, await this.nextAttempt(''), this.parts.config);
      await this.parts.cri.runtime.RunPodSandbox(newRunPodSandboxRequest({ config }), this.ctx);
      this.failures.delete('sandbox');
    } catch (thrown) {
      this.hold('sandbox', asNodeletError(thrown), 'FailedCreatePodSandBox');
      return undefined;
    }
    await this.look();
    return this.view.sandboxes.find(({ state }) => state === 'SANDBOX_READY');
  }

  private readonly failures = new Map<string, number>();

  /** Until when a step that failed must not be tried again. */
  private heldUntil(key: string): number | undefined {
    const failedMs = this.failures.get(key);
    return failedMs === undefined ? undefined : this.backOff.retryAt(key, { failedMs, nowMs: this.nowMs() });
  }

  private hold(key: string, error: NodeletError, reason: string, container?: string): void {
    const nowMs = this.nowMs();
    this.failures.set(key, nowMs);
    // The first retry waits for the shortest delay too: nothing tells that a failed call would do better at once.
    this.backOff.retryAt(key, { failedMs: nowMs, nowMs });
    this.wake(nowMs + this.backOff.delaySeconds(key) * 1000);
    this.event({
      reason,
      message: error.describe(),
      type: 'Warning',
      ...(container === undefined ? {} : { container }),
    });
  }

  private async initsDone(sandbox: PodSandbox, config: PodSandboxConfig): Promise<boolean> {
    // Once a main container has been made in this sandbox, the init containers are over for good.
    const mains = new Set(this.record.pod.spec.containers.map(({ name }) => name));
    if (
      this.view.containers.some((run) => run.sandboxId === sandbox.id && mains.has(run.metadata?.name ?? ''))
    )
      return true;
    for (const init of this.record.pod.spec.initContainers)
      if (!(await this.keepRunning(sandbox, config, init, true))) return false;
    return true;
  }

  /** Starts, or restarts by policy, one container. True when it is an init container that has done its work. */
  private async keepRunning(
    sandbox: PodSandbox,
    config: PodSandboxConfig,
    container: PodContainer,
    init: boolean,
  ): Promise<boolean> {
    const { name } = container;
    const run = this.view.containers.find(
      (one) => one.sandboxId === sandbox.id && one.metadata?.name === name,
    );
    if (run?.state === 'CONTAINER_RUNNING') {
      this.waiting.delete(name);
      return false;
    }
    if (run?.state === 'CONTAINER_CREATED') {
      await this.start(run.id, name);
      return false;
    }
    if (run?.state === 'CONTAINER_EXITED') {
      if (init && run.exit_code === 0) {
        this.waiting.delete(name);
        return true;
      }
      const policy = this.record.pod.spec.restartPolicy;
      if (policy === 'Never' || (run.exit_code === 0 && policy === 'OnFailure')) return false;
      const failedMs = Number(BigInt(run.finished_at) / 1_000_000n) || this.nowMs();
      const retryMs = this.backOff.retryAt(`crash/${name}`, { failedMs, nowMs: this.nowMs() });
      if (retryMs !== undefined) {
        const message = `back-off ${this.backOff.delaySeconds(`crash/${name}`)}s restarting failed container`;
        if (this.waiting.get(name)?.reason !== 'CrashLoopBackOff')
          this.event({
            reason: 'BackOff',
            message: `Back-off restarting failed container ${name}`,
            type: 'Warning',
            container: name,
          });
        this.waiting.set(name, { reason: 'CrashLoopBackOff', message });
        this.wake(retryMs);
        return false;
      }
    }
    const retryMs = this.heldUntil(`create/${name}`);
    if (retryMs !== undefined) {
      const held = this.waiting.get(name);
      if (held?.reason === 'ErrImagePull') this.waiting.set(name, { ...held, reason: 'ImagePullBackOff' });
      this.wake(retryMs);
      return false;
    }
    await this.create(sandbox, config, container, init);
    return false;
  }

  private async create(
    sandbox: PodSandbox,
    config: PodSandboxConfig,
    container: PodContainer,
    init: boolean,
  ): Promise<void> {
    const { name } = container;
    let step = 'ErrImagePull';
    try {
      const imageRef = await this.image(container, config);
      step = 'CreateContainerError';
      await this.forgetOldRuns(name);
      const attempt = await this.nextAttempt(name);
      await this.parts.files.makeDir(`${podLogFolder(this.record, this.parts.config)}/${name}`);
      const { container_id } = await this.parts.cri.runtime.CreateContainer(
        newCreateContainerRequest({
          pod_sandbox_id: sandbox.id,
          sandbox_config: config,
          config: containerConfig(this.record, { container, init, attempt, imageRef }, this.parts.config),
        }),
        this.ctx,
      );
      this.event({ reason: 'Created', message: `Created container ${name}`, container: name });
      this.failures.delete(`create/${name}`);
      await this.start(container_id, name);
    } catch (thrown) {
      const error = asNodeletError(thrown);
      const reason = error.message === neverPull ? 'ErrImageNeverPull' : step;
      this.waiting.set(name, { reason, message: error.describe() });
      this.hold(`create/${name}`, error, 'Failed', name);
    }
  }

  private async start(id: string, name: string): Promise<void> {
    try {
      await this.parts.cri.runtime.StartContainer(newStartContainerRequest({ container_id: id }), this.ctx);
      this.waiting.delete(name);
      this.event({ reason: 'Started', message: `Started container ${name}`, container: name });
    } catch (thrown) {
      const error = asNodeletError(thrown);
      this.waiting.set(name, { reason: 'RunContainerError', message: error.describe() });
      this.hold(`create/${name}`, error, 'Failed', name);
      await this.gone(
        this.parts.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: id }), this.ctx),
      );
    }
  }

  /** Reference of the image to create from, pulled where its policy says so. */
  private async image(
    { name, image, imagePullPolicy }: PodContainer,
    config: PodSandboxConfig,
  ): Promise<string> {
    const spec = newImageSpec({ image, user_specified_image: image });
    const { images } = this.parts.cri;
    if (imagePullPolicy !== 'Always') {
      const { image: present } = await images.ImageStatus(newImageStatusRequest({ image: spec }), this.ctx);
      if (present !== null) return present.id;
      if (imagePullPolicy === 'Never') throw new Error(neverPull);
    }
    this.event({ reason: 'Pulling', message: `Pulling image "${image}"`, container: name });
    const { image_ref } = await images.PullImage(
      newPullImageRequest({ image: spec, sandbox_config: config }),
      this.ctx,
    );
    this.event({ reason: 'Pulled', message: `Successfully pulled image "${image}"`, container: name });
    return image_ref;
  }

  private async forgetOldRuns(name: string): Promise<void> {
    const ended = this.view.containers.filter(
      (run) => run.metadata?.name === name && run.state === 'CONTAINER_EXITED',
    );
    for (const run of ended.slice(runsKept - 1)) {
      await this.gone(
        this.parts.cri.runtime.RemoveContainer(newRemoveContainerRequest({ container_id: run.id }), this.ctx),
      );
      const log = containerLogFile(name, run.metadata?.attempt ?? 0);
      await this.parts.files.removeTree(`${podLogFolder(this.record, this.parts.config)}/${log}`);
    }
  }

  private async finishIfEnded(): Promise<void> {
    const status = podStatus(this.record, this.view, this.waiting, this.parts.config.hostIp ?? '');
    if (status.phase !== 'Succeeded' && status.phase !== 'Failed') return;
    this.record = { ...this.record, finished: status };
    await this.save(this.record);
    for (const { id, state } of this.view.sandboxes)
      if (state === 'SANDBOX_READY') await this.stopSandbox(id);
  }

  private async remove(): Promise<void> {
    const { deletion } = this.record;
    const passedSeconds = (this.nowMs() - Number(BigInt(deletion?.requestedAtNs ?? '0') / 1_000_000n)) / 1000;
    const graceSeconds = Math.max(0, Math.ceil((deletion?.graceSeconds ?? 0) - passedSeconds));
    await Promise.all(this.view.sandboxes.map(({ id }) => this.stopContainers(id, graceSeconds)));
    for (const { id } of this.view.sandboxes) await this.removeSandbox(id);
    await this.parts.files.removeTree(podVolumesFolder(this.record.uid, this.parts.config));
    await this.parts.files.removeTree(podLogFolder(this.record, this.parts.config));
  }

  private async stopContainers(sandboxId: string, graceSeconds: number): Promise<void> {
    const running = this.view.containers.filter(
      (run) => run.sandboxId === sandboxId && run.state === 'CONTAINER_RUNNING',
    );
    await Promise.all(
      running.map(async (run) => {
        const name = run.metadata?.name ?? '';
        this.event({ reason: 'Killing', message: `Stopping container ${name}`, container: name });
        await this.gone(
          this.parts.cri.runtime.StopContainer(
            newStopContainerRequest({ container_id: run.id, timeout: String(graceSeconds) }),
            this.ctx,
          ),
        );
      }),
    );
  }

  private async stopSandbox(id: string): Promise<void> {
    await this.gone(
      this.parts.cri.runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: id }), this.ctx),
    );
  }

  private async removeSandbox(id: string): Promise<void> {
    await this.stopSandbox(id);
    await this.gone(
      this.parts.cri.runtime.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), this.ctx),
    );
  }

  /** What is gone already needs no stopping and no removing. */
  private async gone(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (thrown) {
      if (!isKind(thrown, 'not-found')) throw thrown;
    }
  }
}

const neverPull = 'the image is not present, and imagePullPolicy is Never';
