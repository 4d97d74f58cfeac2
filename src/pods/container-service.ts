import type { CallContext } from '../base/call-context.js';
import { throwIfGone } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { ContainerId, SandboxId } from '../base/ids.js';
import { SingleFlight } from '../base/single-flight.js';
import { UndoStack } from '../base/undo-stack.js';
import type { ImageInfo } from '../images/images.js';
import type { ContainerConfig } from '../ports/cri/messages.js';
import { newLinuxContainerUser } from '../ports/cri/messages.js';
import { buildContainerSpec } from '../spec/container-spec.js';
import { validateContainerConfig } from '../spec/cri-validate.js';
import type { ResolvedImageUser } from '../spec/image-user.js';
import { resolveImageUser } from '../spec/image-user.js';
import { stopSignalNumber } from '../spec/stop-signal.js';
import type { ContainerRecord, SandboxRecord } from '../state/records.js';
import { settleExit } from './exits.js';
import type { Pods } from './pods.js';

const sigkill = 9;
const killPatienceMs = 10_000;
/** What containerd reports for a container whose start failed, too. */
export const startErrorCode = 128;

/** Makes, starts, stops and removes the containers of pods. */
export class ContainerService {
  private readonly creations = new SingleFlight<string, ContainerId>();

  constructor(private readonly pods: Pods) {}

  async create(sandbox: SandboxRecord, config: ContainerConfig, ctx: CallContext): Promise<ContainerId> {
    validateContainerConfig(config, sandbox.config);
    const name = containerName(sandbox.id, config);
    return this.creations.run(name, () =>
      this.pods.queue.run(sandbox.id, () => this.make(name, sandbox.id, config, ctx)),
    );
  }

  private async make(
    name: string,
    sandboxId: SandboxId,
    config: ContainerConfig,
    ctx: CallContext,
  ): Promise<ContainerId> {
    const { host, images } = this.pods.parts;
    const sandbox = this.pods.ledger.sandbox(sandboxId);
    if (sandbox?.stage !== 'ready') {
      throw new NodeletError('wrong-state', `sandbox ${sandboxId} is not ready`, {
        field: 'pod_sandbox_id',
        remedy: 'run a new sandbox for the pod',
      });
    }
    const holder = this.pods.ledger
      .containersOf(sandboxId)
      .find((other) => containerName(sandboxId, other.config) === name);
    if (holder !== undefined) {
      throw new NodeletError('exists', `container ${holder.id} of this sandbox has this name and attempt`, {
        field: 'config.metadata',
        remedy: 'remove that container, or raise metadata.attempt',
      });
    }
    const reference = config.image?.image ?? '';
    const image = images.lookup(reference);
    if (image === undefined) {
      throw new NodeletError('not-found', `image "${reference}" is not on this node`, {
        field: 'config.image.image',
        remedy: 'pull it first',
      });
    }
    const id = host.random.hex(32) as ContainerId;
    const record: ContainerRecord = {
      version: 1,
      id,
      sandboxId,
      stage: 'creating',
      config,
      imageRef: reference,
      imageId: image.id,
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
      process: undefined,
      monitor: undefined,
    };
    await this.pods.ledger.saveContainer(record);
    const undo = new UndoStack();
    undo.push('container', () => this.purge(record));
    try {
      ctx.phase('snapshot');
      const { rootfs } = await images.snapshots.prepare(id, image.id);
      throwIfGone(ctx);
      ctx.phase('spec');
      const user = await this.resolveUser(rootfs, config, image);
      await this.writeBundle(record, sandbox, { rootfs, image, user });
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

  private async writeBundle(
    record: ContainerRecord,
    sandbox: SandboxRecord,
    made: { rootfs: string; image: ImageInfo; user: ResolvedImageUser },
  ): Promise<void> {
    const { files } = this.pods.parts.host;
    const { limits } = this.pods.parts;
    const sandboxDir = this.pods.sandboxDir(sandbox.id);
    for (const mount of record.config.mounts) {
      // A missing host path becomes a folder, as under the other runtimes.
      if ((await files.stat(mount.host_path)) === undefined) await files.makeDir(mount.host_path);
    }
    if (record.logPath !== undefined) await files.makeDir(dirName(record.logPath));
    const spec = buildContainerSpec({
      config: record.config,
      sandboxConfig: sandbox.config,
      image: made.image.run,
      rootfs: made.rootfs,
      user: made.user,
      infraPid: sandbox.infra?.pid ?? 0,
      netnsPath: sandbox.netnsPath,
      cgroupsPath: record.cgroupPath,
      hostname: sandbox.config.hostname,
      files: {
        resolvConf: `${sandboxDir}/resolv.conf`,
        hosts: `${sandboxDir}/hosts`,
        hostname: `${sandboxDir}/hostname`,
        shm: this.pods.shmPath(sandbox.id),
      },
      agentCapabilities: limits.capabilities,
      mayLowerOomScore: limits.mayLowerOomScore,
      seccompFor: limits.seccompFor,
    });
    await files.writeAtomic(`${record.bundle}/config.json`, JSON.stringify(spec), 0o600);
  }

  private async resolveUser(
    rootfs: string,
    config: ContainerConfig,
    image: ImageInfo,
  ): Promise<ResolvedImageUser> {
    const [passwd, group] = await Promise.all([
      this.readInside(rootfs, 'passwd'),
      this.readInside(rootfs, 'group'),
    ]);
    return resolveImageUser({
      passwd,
      group,
      imageUser: image.run.user,
      securityContext: config.linux?.security_context ?? null,
    });
  }

  /** A file of the image's /etc; a symlink on the way counts as absent, since it could lead out of the image. */
  private async readInside(rootfs: string, name: string): Promise<string> {
    const { files } = this.pods.parts.host;
    const dir = await files.stat(`${rootfs}/etc`);
    const file = dir?.kind === 'dir' ? await files.stat(`${rootfs}/etc/${name}`) : undefined;
    if (file?.kind !== 'file') return '';
    return (await files.read(`${rootfs}/etc/${name}`))?.toString('utf8') ?? '';
  }

  async start(id: ContainerId, ctx: CallContext): Promise<void> {
    const sandboxId = this.pods.ledger.container(id)?.sandboxId;
    if (sandboxId === undefined) return;
    await this.pods.queue.run(sandboxId, async () => {
      const record = this.pods.ledger.container(id);
      if (record?.stage !== 'created') {
        throw new NodeletError('wrong-state', `container ${id} is ${record?.stage ?? 'gone'}, not created`, {
          field: 'container_id',
        });
      }
      await this.pods.ledger.saveContainer({ ...record, stage: 'starting' });
      const sandbox = this.pods.ledger.sandbox(sandboxId);
      try {
        const running = await this.pods.parts.runner.startContainer(
          {
            ...this.target(record),
            name: record.config.metadata?.name ?? id,
            logPath: record.logPath,
            terminal: record.config.tty,
            stdin: record.config.stdin,
            stdinOnce: record.config.stdin_once,
            monitorCgroup: `${this.pods.parts.config.cgroupParent}/monitors`,
          },
          ctx,
        );
        await this.pods.ledger.saveContainer({
          ...record,
          ...running,
          stage: 'running',
          startedAtNs: this.pods.nowNs(),
        });
      } catch (thrown) {
        const error = asNodeletError(thrown);
        await this.pods.ledger.saveContainer({
          ...record,
          stage: 'exited',
          exitCode: startErrorCode,
          reason: 'StartError',
          message: error.describe(),
          finishedAtNs: this.pods.nowNs(),
        });
        throw sandbox === undefined ? error : thrown;
      }
    });
  }

  /** Stop signal, up to `timeoutMs` of patience, then SIGKILL. Not running is success. */
  async stop(id: ContainerId, timeoutMs: number): Promise<void> {
    const record = this.pods.ledger.container(id);
    if (record?.stage !== 'running' || record.process === undefined) return;
    const { processes } = this.pods.parts.host;
    let gone = false;
    if (timeoutMs > 0 && processes.kill(record.process, record.stopSignal)) {
      gone = await processes.waitGone(record.process, timeoutMs);
    }
    if (!gone) await this.kill(record);
    await this.pods.queue.run(record.sandboxId, () => settleExit(this.pods, id));
  }

  /** Ends every container of a sandbox at once; called inside the pod's queue. */
  async killAll(sandboxId: SandboxId): Promise<void> {
    const running = this.pods.ledger.containersOf(sandboxId).filter((record) => record.stage === 'running');
    await Promise.all(running.map((record) => this.kill(record)));
    for (const record of running) await settleExit(this.pods, record.id);
  }

  private async kill(record: ContainerRecord): Promise<void> {
    const { processes } = this.pods.parts.host;
    if (record.process === undefined || !processes.kill(record.process, sigkill)) return;
    if (!(await processes.waitGone(record.process, killPatienceMs))) {
      throw new NodeletError('tool-failed', `process ${record.process.pid} does not end after SIGKILL`, {
        remedy: 'look for it in state D (uninterruptible I/O): a hanging disk or network mount',
      });
    }
  }

  async remove(id: ContainerId): Promise<void> {
    const sandboxId = this.pods.ledger.container(id)?.sandboxId;
    if (sandboxId === undefined) return;
    await this.pods.queue.run(sandboxId, async () => {
      const record = this.pods.ledger.container(id);
      if (record === undefined) return;
      if (record.stage === 'running') await this.kill(record);
      await this.purge(record);
    });
  }

  /** Takes back every effect a container can have had, whatever its stage. */
  async purge(record: ContainerRecord): Promise<void> {
    const { host, images, runner } = this.pods.parts;
    await this.pods.ledger.saveContainer({ ...record, stage: 'removing' });
    await runner.remove(this.target(record), record.monitor);
    await images.snapshots.remove(record.id);
    await host.files.removeTree(record.bundle);
    await runner.forgetExit(record.id);
    await this.pods.ledger.forgetContainer(record.id);
  }

  target(record: ContainerRecord): { id: ContainerId; handler: string; bundle: string } {
    const handler = this.pods.ledger.sandbox(record.sandboxId)?.handler ?? '';
    return {
      id: record.id,
      handler: this.pods.parts.runner.resolveHandler(handler),
      bundle: record.bundle,
    };
  }
}

function containerName(sandboxId: SandboxId, config: ContainerConfig): string {
  return JSON.stringify([sandboxId, config.metadata?.name, config.metadata?.attempt]);
}

function logPath(sandbox: SandboxRecord, config: ContainerConfig): string | undefined {
  const dir = sandbox.config.log_directory;
  if (dir === '' || config.log_path === '') return undefined;
  return `${dir.replace(/\/+$/, '')}/${config.log_path}`;
}

function dirName(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
