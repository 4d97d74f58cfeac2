import type { CallContext } from '../../base/call-context.js';
import { throwIfGone } from '../../base/call-context.js';
import { NodeletError, asNodeletError } from '../../base/errors.js';
import type { ContainerId, SandboxId } from '../../base/ids.js';
import { SharedFlights } from '../../base/shared-flight.js';
import { UndoStack } from '../../base/undo-stack.js';
import type { ContainerConfig } from '../../ports/cri/messages.js';
import { newLinuxContainerUser } from '../../ports/cri/messages.js';
import { podIdMapping } from '../../spec/mounts/id-mappings.js';
import { validateContainerConfig } from '../../spec/container-validate.js';
import type { MachineLimits } from '../../spec/machine-limits.js';
import { explainStart } from '../../spec/start-error.js';
import { stopSignalNumber } from '../../spec/stop-signal.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import { ContainerBundles } from './container-bundle.js';
import { containerImage } from './container-image.js';
import type { ContainerStops } from './container-stop.js';
import { containerTarget } from './container-target.js';
import { settleExit } from './exits.js';
import { isAlive } from '../liveness.js';
import { releaseMounts } from '../mounts/mount-preparation.js';
import { NamedMakings } from '../named-makings.js';
import { pidTarget } from './pid-target.js';
import type { Pods } from '../pods.js';
import { givenScore } from '../resources/resource-update.js';
import { annotatedContainer, blameClass } from '../devices/service-classes.js';

/** What containerd reports for a container whose start failed, too. */
const startErrorCode = 128;

/** Makes, starts and removes the containers of pods. */
export class ContainerService {
  private readonly makings = new NamedMakings<ContainerId>();
  private readonly starts = new SharedFlights<ContainerId, void>();
  private readonly bundles: ContainerBundles;

  constructor(
    private readonly pods: Pods,
    private readonly stops: ContainerStops,
  ) {
    this.bundles = new ContainerBundles(pods);
  }

  /** As SandboxService.run: the same config joins, a name that is taken is `exists`. */
  async create(sandbox: SandboxRecord, config: ContainerConfig, ctx: CallContext): Promise<ContainerId> {
    validateContainerConfig(config, sandbox.config, this.pods.parts.limits);
    const name = containerName(sandbox.id, config);
    return this.makings.join({ name, request: config, what: 'container' }, ctx, (shared) =>
      this.pods.queue.run(sandbox.id, () => this.make(name, sandbox.id, config, shared)),
    );
  }

  private async make(
    name: string,
    sandboxId: SandboxId,
    config: ContainerConfig,
    ctx: CallContext,
  ): Promise<ContainerId> {
    const { host, images, limits } = this.pods.parts;
    throwIfGone(ctx);
    const sandbox = this.readySandbox(sandboxId, 'pod_sandbox_id');
    const holder = this.pods.ledger
      .containersOf(sandboxId)
      .find((other) => containerName(sandboxId, other.config) === name);
    if (holder?.stage === 'creating' || holder?.stage === 'removing') {
      // Inside the pod's queue nobody else works on it: an undo or a removal that failed, and is finished now.
      await this.purge(holder);
    } else if (holder !== undefined) {
      throw new NodeletError('exists', `container ${holder.id} of this sandbox has this name and attempt`, {
        field: 'config.metadata',
        remedy: 'remove that container, or raise metadata.attempt',
      });
    }
    const { image, names } = containerImage(this.pods, config.image);
    const id = host.random.hex(32) as ContainerId;
    const record: ContainerRecord = {
      version: 1,
      id,
      sandboxId,
      stage: 'creating',
      config,
      ...names,
      createdAtNs: this.pods.nowNs(),
      startedAtNs: '0',
      finishedAtNs: '0',
      exitCode: 0,
      reason: '',
      message: '',
      logPath: logPath(sandbox, config),
      bundle: this.pods.containerDir(id),
      cgroupPath: `${sandbox.cgroupPath}/${id}`,
      stopSignal: stopSignalNumber(config.stop_signal, image.run.stopSignal),
      user: null,
      ...resourcesInForce(config, limits),
      process: undefined,
      monitor: undefined,
    };
    const undo = new UndoStack();
    undo.push('container', () => this.purge(record));
    try {
      await this.pods.ledger.saveContainer(record);
      ctx.phase('snapshot');
      const { rootfs } = await images.snapshots.prepare(id, image.id, podIdMapping(sandbox.config));
      throwIfGone(ctx);
      ctx.phase('spec');
      const { user, ...written } = await this.bundles.write(record, sandbox, { rootfs, image }, ctx);
      Object.assign(record, written);
      record.user = newLinuxContainerUser({
        uid: String(user.uid),
        gid: String(user.gid),
        supplemental_groups: user.additionalGids.map(String),
      });
      await this.pods.ledger.saveContainer({ ...record, stage: 'created' });
      undo.commit();
      return id;
    } catch (thrown) {
      for (const failure of await undo.unwind()) {
        ctx.log.error({ container: id, err: failure.error.message }, `undo of ${failure.description} failed`);
      }
      throw thrown;
    }
  }

  private readySandbox(id: SandboxId, field: string): SandboxRecord {
    const sandbox = this.pods.ledger.sandbox(id);
    if (sandbox?.stage === 'ready' && isAlive(this.pods, sandbox.infra)) return sandbox;
    throw new NodeletError('wrong-state', `sandbox ${id} is not ready`, {
      field,
      remedy: 'run a new sandbox for the pod',
    });
  }

  /** A call during another joins it. A start that fails, or whose last caller goes away, leaves the container exited. */
  async start(id: ContainerId, ctx: CallContext): Promise<void> {
    await this.starts.join(id, ctx.signal, async (signal) => {
      const sandboxId = this.pods.ledger.container(id)?.sandboxId;
      if (sandboxId === undefined) return;
      await this.pods.queue.run(sandboxId, () => this.startInQueue(id, sandboxId, { ...ctx, signal }));
    });
  }

  private async startInQueue(id: ContainerId, sandboxId: SandboxId, ctx: CallContext): Promise<void> {
    const record = this.pods.ledger.container(id);
    if (record?.stage !== 'created') {
      throw new NodeletError('wrong-state', `container ${id} is ${record?.stage ?? 'gone'}, not created`, {
        field: 'container_id',
      });
    }
    const sandbox = this.readySandbox(sandboxId, 'container_id');
    // The spec names it by its pid: it must be the process that it was at creation.
    pidTarget(this.pods, record);
    throwIfGone(ctx);
    await this.pods.ledger.saveContainer({ ...record, stage: 'starting' });
    try {
      await this.launch(record, ctx);
    } catch (untold) {
      const explained = explainStart(untold, record.config);
      const thrown = blameClass(explained, annotatedContainer(record.config, sandbox.config));
      await this.failStart(record, asNodeletError(thrown).describe());
      throw thrown;
    }
  }

  private async launch(record: ContainerRecord, ctx: CallContext): Promise<void> {
    const { runner } = this.pods.parts;
    const target = containerTarget(this.pods, record);
    const running = await runner.startContainer(
      {
        ...target,
        name: record.config.metadata?.name ?? record.id,
        logPath: record.logPath,
        terminal: record.config.tty,
        stdin: record.config.stdin,
        stdinOnce: record.config.stdin_once,
      },
      ctx,
    );
    await this.pods.ledger.saveContainer({ ...record, ...running, stage: 'running' });
  }

  /**
   * Ends a start that did not come far enough: nothing of the container is left, whoever was the last to touch it, and
   * its record says why. Where this fails, the record stays as it is, and the patrol finds out what became of it.
   */
  async failStart(record: ContainerRecord, message: string): Promise<void> {
    const { runner } = this.pods.parts;
    await runner.remove(containerTarget(this.pods, record), record.monitor);
    await runner.forgetExit(record.id);
    await this.pods.ledger.saveContainer({
      ...record,
      stage: 'exited',
      exitCode: startErrorCode,
      reason: 'StartError',
      message,
      finishedAtNs: this.pods.nowNs(),
      monitor: undefined,
    });
  }

  async remove(id: ContainerId): Promise<void> {
    const sandboxId = this.pods.ledger.container(id)?.sandboxId;
    if (sandboxId === undefined) return;
    await this.pods.queue.run(sandboxId, async () => {
      const record = this.pods.ledger.container(id);
      if (record === undefined) return;
      if (record.stage === 'running') {
        await this.stops.kill(record);
        // So that whoever follows the container learns how it ended, before it is gone.
        await settleExit(this.pods, id);
      }
      await this.purge(this.pods.ledger.container(id) ?? record);
    });
  }

  /** Takes back every effect a container can have had, whatever its stage. */
  async purge(record: ContainerRecord): Promise<void> {
    const { host, images, runner } = this.pods.parts;
    await this.pods.ledger.saveContainer({ ...record, stage: 'removing' });
    await runner.remove(containerTarget(this.pods, record), record.monitor);
    await releaseMounts(this.pods, record);
    await images.snapshots.remove(record.id);
    await host.files.removeTree(record.bundle);
    await runner.forgetExit(record.id);
    await this.pods.ledger.forgetContainer(record.id);
    this.pods.killed.delete(record.id);
  }
}

function containerName(sandboxId: SandboxId, config: ContainerConfig): string {
  return JSON.stringify([sandboxId, config.metadata?.name, config.metadata?.attempt]);
}

/** What is asked for, with what the machine makes of the score. */
function resourcesInForce(
  { linux }: ContainerConfig,
  { lowestOomScore }: Pick<MachineLimits, 'lowestOomScore'>,
): Pick<ContainerRecord, 'resources'> {
  if (linux?.resources === null || linux?.resources === undefined) return {};
  const { resources } = linux;
  return {
    resources: { ...resources, oom_score_adj: givenScore(resources.oom_score_adj, lowestOomScore) },
  };
}

function logPath(sandbox: SandboxRecord, config: ContainerConfig): string | undefined {
  const dir = sandbox.config.log_directory;
  if (dir === '' || config.log_path === '') return undefined;
  return `${dir.replace(/\/+$/, '')}/${config.log_path}`;
}
