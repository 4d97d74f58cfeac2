import { backgroundContext } from '../../../src/base/call-context.js';
import {
  newContainerFilter,
  newContainerStatusRequest,
  newCreateContainerRequest,
  newExecSyncRequest,
  newLinuxContainerResources,
  newListContainersRequest,
  newListPodSandboxRequest,
  newPodSandboxFilter,
  newRemoveContainerRequest,
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStartContainerRequest,
  newStopContainerRequest,
  newStopPodSandboxRequest,
  newUpdateContainerResourcesRequest,
} from '../../../src/ports/cri/messages.js';
import type { Container, ContainerStatus } from '../../../src/ports/cri/messages.js';
import type { OwnRuntimeVerbs } from '../../../src/ports/cri/runtime.js';
import type { PodScript } from './pod-script.js';
import { containerConfig, jobExitCode, killedCode, sandboxConfig } from './pod-script.js';
import type { SimWorld } from './world.js';

const pollMs = 10;
const execExitCode = 3;
const stopTimeoutS = '10';
const resizedShares = '2048';
const resizedScore = '300';

/** What the CRI must still show after a crash, since nobody asked for its end. */
export interface Promised {
  readySandbox: string | undefined;
  /** Id of the long-running container once StartContainer has answered. */
  running: string | undefined;
  /** Its end has begun, and is tried again until it is done. */
  leaving: boolean;
}

export const nothingPromised = (): Promised => ({
  readySandbox: undefined,
  running: undefined,
  leaving: false,
});

/**
 * One pod driven over CRI as a kubelet does it: each step looks at what is there first, so that it can begin
 * again after any crash or error, with the same names and attempts. A wrong answer throws an Error.
 */
export class PodDriver {
  private readonly cri: OwnRuntimeVerbs;
  /** A caller of its own: of what a crash cuts short, listeners stay on the signal. */
  private readonly ctx = backgroundContext();

  /** Talks to the node that is up now; after a crash, a new one takes `promised` over. */
  constructor(
    private readonly world: SimWorld,
    private readonly script: PodScript,
    readonly promised: Promised = nothingPromised(),
  ) {
    this.cri = world.cri;
  }

  /** From nothing, or from whatever an earlier try left, to a removed pod. */
  async wholeLife(): Promise<void> {
    if (!this.promised.leaving) await this.up();
    await this.down();
    this.promised.leaving = false;
  }

  /** The names alone: sandbox and container made and removed, nothing started. */
  async reuseNames(): Promise<void> {
    const sandbox = await this.ensureSandbox();
    for (const name of ['main', 'job'] as const) await this.create(sandbox, name);
    await this.down();
  }

  /** Sandbox ready, `main` running, `job` ended, and an exec that worked. */
  async up(): Promise<void> {
    const sandbox = await this.ensureSandbox();
    const main = await this.ensure(sandbox, 'main');
    if (main.state !== 'CONTAINER_RUNNING') throw wrong('main does not run', main);
    this.promised.running = main.id;
    await this.resize(main.id);
    const ended = await this.awaitExit((await this.ensure(sandbox, 'job')).id);
    if (this.isToRunAgain(ended)) throw new Error('the job was killed');
    if (ended.exit_code !== jobExitCode) throw wrong(`job did not exit with ${jobExitCode}`, ended);
    const request = newExecSyncRequest({
      container_id: main.id,
      cmd: ['/bin/sh', '-c', `echo hi; exit ${execExitCode}`],
      timeout: '10',
    });
    const exec = await this.cri.ExecSync(request, this.ctx);
    if (exec.exit_code !== execExitCode || Buffer.from(exec.stdout).toString() !== 'hi\n') {
      throw wrong('exec went wrong', exec);
    }
  }

  /** More CPU, and another OOM score, for a container that runs, told at once. */
  private async resize(id: string): Promise<void> {
    const linux = newLinuxContainerResources({ cpu_shares: resizedShares, oom_score_adj: resizedScore });
    await this.cri.UpdateContainerResources(
      newUpdateContainerResourcesRequest({ container_id: id, linux }),
      this.ctx,
    );
    const { resources } = await this.status(id);
    const { cpu_shares, oom_score_adj } = resources?.linux ?? {};
    if (cpu_shares !== resizedShares || oom_score_adj !== resizedScore)
      throw wrong('an update is not told', { resources });
  }

  async down(): Promise<void> {
    const { cri } = this;
    Object.assign(this.promised, { ...nothingPromised(), leaving: true });
    for (const { id, state } of await this.containers()) {
      if (state !== 'CONTAINER_RUNNING') continue;
      await cri.StopContainer(newStopContainerRequest({ container_id: id, timeout: stopTimeoutS }), this.ctx);
      const { state: after } = await this.status(id);
      if (after !== 'CONTAINER_EXITED') throw wrong('a stopped container runs', { id, after });
    }
    for (const { id } of await this.sandboxes()) {
      await cri.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: id }), this.ctx);
      await cri.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), this.ctx);
    }
  }

  /** Removes the pod as it stands, without stopping anything first. */
  async removeAtOnce(): Promise<void> {
    Object.assign(this.promised, nothingPromised());
    for (const { id } of await this.sandboxes()) {
      await this.cri.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), this.ctx);
    }
  }

  private async ensureSandbox(): Promise<string> {
    const { cri } = this;
    for (const { id, state } of await this.sandboxes()) {
      if (state === 'SANDBOX_READY') return (this.promised.readySandbox = id);
      Object.assign(this.promised, nothingPromised());
      await cri.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: id }), this.ctx);
      await cri.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), this.ctx);
    }
    const request = newRunPodSandboxRequest({ config: sandboxConfig(this.script) });
    const { pod_sandbox_id: id } = await cri.RunPodSandbox(request, this.ctx);
    return (this.promised.readySandbox = id);
  }

  /** The container started: running or ended, but not as one whose start failed. */
  private async ensure(sandbox: string, name: 'main' | 'job'): Promise<ContainerStatus> {
    const { cri } = this;
    const there = (await this.containers()).find((container) => container.metadata?.name === name);
    if (there !== undefined && there.state !== 'CONTAINER_CREATED') {
      const status = await this.status(there.id);
      const isJob = name === 'job' && status.reason !== 'StartError' && !this.isToRunAgain(status);
      if (isJob || status.state !== 'CONTAINER_EXITED') return status;
      await cri.RemoveContainer(newRemoveContainerRequest({ container_id: there.id }), this.ctx);
    }
    const id = there?.state === 'CONTAINER_CREATED' ? there.id : await this.create(sandbox, name);
    await cri.StartContainer(newStartContainerRequest({ container_id: id }), this.ctx);
    return this.status(id);
  }

  private async create(sandbox: string, name: 'main' | 'job'): Promise<string> {
    const request = newCreateContainerRequest({
      pod_sandbox_id: sandbox,
      sandbox_config: sandboxConfig(this.script),
      config: containerConfig(name, this.script),
    });
    return (await this.cri.CreateContainer(request, this.ctx)).container_id;
  }

  /** Killed, or its end unknown, where the pod's restart policy says to try again. */
  private isToRunAgain({ exit_code: exitCode, reason }: ContainerStatus): boolean {
    return this.script.restarts && (exitCode === killedCode || reason === 'ContainerStatusUnknown');
  }

  private async awaitExit(id: string): Promise<ContainerStatus> {
    for (;;) {
      const status = await this.status(id);
      if (status.state === 'CONTAINER_EXITED') return status;
      await this.world.pause(pollMs);
    }
  }

  private async sandboxes() {
    const filter = newPodSandboxFilter({ label_selector: { pod: this.script.name } });
    return (await this.cri.ListPodSandbox(newListPodSandboxRequest({ filter }), this.ctx)).items;
  }

  private async containers(): Promise<Container[]> {
    const found: Container[] = [];
    for (const { id } of await this.sandboxes()) {
      const filter = newContainerFilter({ pod_sandbox_id: id });
      found.push(
        ...(await this.cri.ListContainers(newListContainersRequest({ filter }), this.ctx)).containers,
      );
    }
    return found;
  }

  private async status(id: string): Promise<ContainerStatus> {
    const { status } = await this.cri.ContainerStatus(
      newContainerStatusRequest({ container_id: id }),
      this.ctx,
    );
    if (status === null) throw wrong('a container has no status', { id });
    return status;
  }
}

/** An answer of the CRI that no fault excuses. */
export class WrongAnswer extends Error {}

function wrong(what: string, seen: object): WrongAnswer {
  return new WrongAnswer(
    `${what}: ${JSON.stringify(seen, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}`,
  );
}
