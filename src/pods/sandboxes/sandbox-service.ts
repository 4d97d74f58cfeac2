import type { CallContext } from '../../base/call-context.js';
import { throwIfGone } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import type { SandboxId } from '../../base/ids.js';
import { settleAll } from '../../base/settle-all.js';
import { UndoStack } from '../../base/undo-stack.js';
import type { PortMapping } from '../../network/pod-network.js';
import type { PodSandboxConfig } from '../../ports/cri/messages.js';
import { requireMapped } from '../../spec/security/mapped-user.js';
import { buildSandboxSpec } from '../../spec/sandbox-spec.js';
import { validateSandboxConfig } from '../../spec/sandbox-validate.js';
import type { NetworkMode, SandboxRecord } from '../../state/records.js';
import type { ContainerService } from '../containers/container-service.js';
import type { ContainerStops } from '../containers/container-stop.js';
import { startInfra } from './infra-start.js';
import { NamedMakings } from '../named-makings.js';
import { missingGroups, removeGroups } from '../resources/pod-cgroup.js';
import { makeHostsFile, makePodFiles } from './pod-files.js';
import type { Pods } from '../pods.js';
import { inTermsOf, podLimits } from '../resources/pod-limits.js';
import { usableMapping } from '../security/user-namespaces.js';
import { sandboxSecurity } from '../security/process-security.js';

/** The annotation on a sandbox that asks for no network but loopback. */
export const networkAnnotation = 'nodelet.dev/network';
const sigkill = 9;
/** A killed process is gone within milliseconds; one stuck in the kernel for this long is an error to report. */
const killPatienceMs = 10_000;

/** Makes, stops and removes pod sandboxes: each an infra container that holds the pod's namespaces. */
export class SandboxService {
  private readonly makings = new NamedMakings<SandboxId>();

  constructor(
    private readonly pods: Pods,
    private readonly containers: ContainerService,
    private readonly stops: ContainerStops,
  ) {}

  /** A retry with the same config joins the attempt in flight, and outlives its first caller; a name that is taken is `exists`. */
  async run(config: PodSandboxConfig, requestedHandler: string, ctx: CallContext): Promise<SandboxId> {
    validateSandboxConfig(config, this.pods.parts.limits);
    const name = sandboxName(config);
    const request = { config, requestedHandler };
    return this.makings.join({ name, request, what: 'sandbox' }, ctx, (shared) =>
      this.make(name, config, requestedHandler, shared),
    );
  }

  private async make(
    name: string,
    config: PodSandboxConfig,
    requestedHandler: string,
    ctx: CallContext,
  ): Promise<SandboxId> {
    const { runner, network, images, host } = this.pods.parts;
    const handler = runner.resolveHandler(requestedHandler);
    const holder = this.pods.ledger.allSandboxes().find((other) => sandboxName(other.config) === name);
    if (holder?.stage === 'creating' || holder?.stage === 'removing') {
      // No start of this name is in flight but ours: that one failed, and so did its undo. It must not hold the name.
      await this.remove(holder.id);
    } else if (holder !== undefined) {
      throw new NodeletError('exists', `sandbox ${holder.id} has this name, namespace, uid and attempt`, {
        field: 'config.metadata',
        remedy: 'remove that sandbox, or raise metadata.attempt',
      });
    }
    const mode = networkMode(config);
    const mapping = await usableMapping(this.pods, config);
    const ports = publishedPorts(config, mode);
    ctx.phase('check-ports');
    await network.checkPorts(ports, ctx);
    ctx.phase('image');
    const image = await images.pauseImage(ctx);
    throwIfGone(ctx);

    const id = host.random.hex(32) as SandboxId;
    const parent = config.linux?.cgroup_parent ?? '';
    const group = parent === '' ? `${this.pods.parts.config.cgroupParent}/pod${id}` : parent;
    const record: SandboxRecord = {
      version: 1,
      id,
      stage: 'creating',
      config,
      requestedHandler,
      handler,
      createdAtNs: this.pods.nowNs(),
      networkMode: mode,
      netnsPath: mode === 'host' ? undefined : this.pods.netnsPath(id),
      ips: [],
      cgroupPath: group,
      // The OCI runtime makes them on the way to its containers'.
      madeCgroups: parent === '' ? [group] : await missingGroups(host.cgroups, group),
      bundle: this.pods.sandboxDir(id),
      infra: undefined,
    };
    return this.pods.queue.run(id, async () => {
      const undo = new UndoStack();
      undo.push('sandbox', () => this.purge(record));
      try {
        await this.pods.ledger.saveSandbox(record);
        ctx.phase('prepare');
        await settleAll([
          makePodFiles(this.pods, record),
          record.netnsPath === undefined || mapping !== undefined
            ? Promise.resolve()
            : host.namespaces.createNet(record.netnsPath),
          this.limitGroup(record),
        ]);
        const root = await images.snapshots.prepareReadOnly(id, image.id, mapping);
        const security = await sandboxSecurity(
          this.pods.securityParts,
          { rootfs: root.rootfs, imageUser: image.run.user },
          config.linux?.security_context ?? null,
        );
        requireMapped(security.user, mapping);
        const spec = buildSandboxSpec({
          config,
          rootfs: root.rootfs,
          args: [...image.run.entrypoint, ...image.run.cmd],
          env: image.run.env,
          netnsPath: record.netnsPath,
          idMapping: mapping,
          cgroupsPath: infraTarget(record).cgroupPath,
          security,
          machine: this.pods.parts.limits,
        });
        await host.files.writeAtomic(`${record.bundle}/config.json`, JSON.stringify(spec), 0o600);
        throwIfGone(ctx);
        ctx.phase('network and infra');
        const started = await startInfra(this.pods, { record, target: infraTarget(record), ports }, ctx);
        record.infra = started.infra;
        record.ips = started.ips;
        await makeHostsFile(this.pods, record);
        throwIfGone(ctx);
        await this.pods.ledger.saveSandbox({ ...record, stage: 'ready' });
        undo.commit();
        return id;
      } catch (thrown) {
        for (const failure of await undo.unwind()) {
          ctx.log.error({ sandbox: id, err: failure.error.message }, `undo of ${failure.description} failed`);
        }
        throw thrown;
      }
    });
  }

  private async limitGroup(record: SandboxRecord): Promise<void> {
    const limits = podLimits(record, this.pods);
    if (limits === undefined) return;
    const { cgroups } = this.pods.parts.host;
    await inTermsOf('config.linux.resources', () => cgroups.create(record.cgroupPath, limits));
  }

  async stop(id: SandboxId): Promise<void> {
    await this.pods.queue.run(id, async () => {
      const record = this.pods.ledger.sandbox(id);
      if (record === undefined || record.stage === 'stopped' || record.stage === 'removing') return;
      await this.stopInQueue(record);
    });
  }

  /** Everything that lives is ended and all of the network is given back; records, logs and files stay until remove. */
  async stopInQueue(record: SandboxRecord): Promise<void> {
    await this.pods.ledger.saveSandbox({ ...record, stage: 'stopping' });
    await settleAll([this.stops.killAll(record.id), this.endInfra(record)]);
    await this.releaseLive(record);
    await this.pods.ledger.saveSandbox({ ...record, stage: 'stopped', infra: undefined });
  }

  async remove(id: SandboxId): Promise<void> {
    await this.pods.queue.run(id, async () => {
      const record = this.pods.ledger.sandbox(id);
      if (record !== undefined) await this.purge(record);
    });
  }

  /** Takes back every effect a sandbox can have had, whatever its stage: also the undo of a start and the end of a crash. */
  async purge(record: SandboxRecord): Promise<void> {
    const { host, images } = this.pods.parts;
    // The undo of a start shows no client what was never there for it.
    const stage = record.stage === 'creating' ? 'creating' : 'removing';
    await this.pods.ledger.saveSandbox({ ...record, stage });
    await settleAll([this.stops.killAll(record.id), this.endInfra(record)]);
    for (const container of this.pods.ledger.containersOf(record.id)) await this.containers.purge(container);
    await this.releaseLive(record);
    await images.snapshots.remove(record.id);
    if ((record.config.linux?.cgroup_parent ?? '') === '') await host.cgroups.remove(record.cgroupPath);
    else await removeGroups(host.cgroups, record.madeCgroups);
    await host.files.removeTree(record.bundle);
    await this.pods.ledger.forgetSandbox(record.id);
  }

  private async endInfra({ infra }: SandboxRecord): Promise<void> {
    const { processes } = this.pods.parts.host;
    if (infra !== undefined && processes.kill(infra, sigkill))
      await processes.waitGone(infra, killPatienceMs);
  }

  /** What the pod's processes used; they have ended. */
  private async releaseLive(record: SandboxRecord): Promise<void> {
    const { host, network, runner } = this.pods.parts;
    const releaseNetwork = async () => {
      await network.detach(record.id);
      if (record.netnsPath !== undefined) await host.namespaces.removeNet(record.netnsPath);
    };
    await settleAll([
      runner.remove(infraTarget(record)),
      releaseNetwork(),
      host.mounts.unmount(this.pods.shmPath(record.id)),
    ]);
  }
}

/** The infra container bears its sandbox's id, and its group lies beside those of the pod's containers. */
function infraTarget({ id, handler, bundle, cgroupPath }: SandboxRecord) {
  return { id, handler, bundle, cgroupPath: `${cgroupPath}/${id}` };
}

function sandboxName(config: PodSandboxConfig): string {
  const metadata = config.metadata;
  return JSON.stringify([metadata?.name, metadata?.namespace, metadata?.uid, metadata?.attempt]);
}

function networkMode(config: PodSandboxConfig): NetworkMode {
  const asked = config.annotations[networkAnnotation];
  if (config.linux?.security_context?.namespace_options?.network === 'NODE') return 'host';
  if (asked === undefined || asked === 'bridge') return 'bridge';
  if (asked === 'none') return 'none';
  throw new NodeletError('invalid', `"${asked}" is no network mode`, {
    field: `config.annotations["${networkAnnotation}"]`,
    remedy: 'use "bridge" or "none"; the host network is namespace_options.network: NODE',
  });
}

/** Ports to lead to the pod; a pod on the host's network has them on the host as they are. */
function publishedPorts(config: PodSandboxConfig, mode: NetworkMode): PortMapping[] {
  const asked = config.port_mappings.filter((port) => port.host_port !== 0);
  if (mode === 'none' && asked.length > 0) {
    throw new NodeletError('invalid', 'a pod without a network has no host ports', {
      field: 'config.port_mappings',
      remedy: `leave them out, or the annotation ${networkAnnotation}`,
    });
  }
  if (mode !== 'bridge') return [];
  return asked.map((port) => ({
    protocol: port.protocol,
    containerPort: port.container_port,
    hostPort: port.host_port,
    hostIp: port.host_ip,
  }));
}
