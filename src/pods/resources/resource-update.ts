import { NodeletError } from '../../base/errors.js';
import type {
  LinuxContainerResources,
  UpdateContainerResourcesRequest,
  UpdatePodSandboxResourcesRequest,
} from '../../ports/cri/messages.js';
import { newLinuxContainerResources, newLinuxPodSandboxConfig } from '../../ports/cri/messages.js';
import { cgroupLimits } from '../../spec/resources/cgroup-limits.js';
import { mergeResources, ociLimits } from '../../spec/resources/container-resources.js';
import type { OciSpec } from '../../spec/oci-spec-types.js';
import { validatePodResources, validateResources } from '../../spec/resources/resources-validate.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import { inTermsOf, podLimits } from './pod-limits.js';
import type { Pods } from '../pods.js';

/** Changes limits of what is there: a running container's group, a created one's spec, a pod's own group. */
export class ResourceUpdates {
  constructor(private readonly pods: Pods) {}

  /** All of the limits, or none; 0 and empty leave what is in force. The record has them once they are. */
  async updateContainer(request: UpdateContainerResourcesRequest): Promise<void> {
    refuseWhatIsNotLinux(request);
    const { id, sandboxId } = this.pods.ledger.findContainer(request.container_id);
    const { linux } = request;
    await this.pods.queue.run(sandboxId, async () => {
      const found = this.pods.ledger.container(id);
      if (found !== undefined) await this.finish(found);
      const record = this.pods.ledger.container(id);
      if (record?.stage !== 'created' && record?.stage !== 'running') {
        throw new NodeletError(
          'wrong-state',
          `container ${id} is ${record?.stage ?? 'gone'}, neither created nor running`,
          { field: 'container_id' },
        );
      }
      if (linux === null) return;
      const { limits } = this.pods.parts;
      const inForce = containerResources(record);
      const given = { ...linux, oom_score_adj: givenScore(linux.oom_score_adj, limits.lowestOomScore) };
      const wanted = mergeResources(inForce, given);
      validateResources(wanted, { base: 'linux', machine: limits, ofContainer: true });
      if (JSON.stringify(wanted) === JSON.stringify(inForce)) return;
      await this.pods.ledger.saveContainer({ ...record, resourcesAhead: wanted });
      try {
        await this.apply(record, wanted);
      } catch (thrown) {
        await this.pods.ledger.saveContainer(record);
        throw thrown;
      }
      await this.pods.ledger.saveContainer({ ...record, resources: wanted });
    });
  }

  /** Finishes an update that was cut short; one that the kernel refuses now is given up. */
  async finish({ resourcesAhead, ...record }: ContainerRecord): Promise<void> {
    if (resourcesAhead === undefined) return;
    if (record.stage !== 'created' && record.stage !== 'running') {
      await this.pods.ledger.saveContainer(record);
      return;
    }
    try {
      await this.apply(record, resourcesAhead);
      await this.pods.ledger.saveContainer({ ...record, resources: resourcesAhead });
    } catch (thrown) {
      this.pods.parts.log.warn(
        { container: record.id, err: String(thrown) },
        'an update of resources is given up',
      );
      await this.pods.ledger.saveContainer(record);
    }
  }

  /** The group first, since the kernel may refuse; then the spec, from which a created container starts and execs run. */
  private async apply(record: ContainerRecord, wanted: LinuxContainerResources): Promise<void> {
    const { host, limits } = this.pods.parts;
    const path = `${record.bundle}/config.json`;
    const text = await host.files.read(path);
    if (text === undefined) throw new NodeletError('corrupt', `the bundle of container ${record.id} is gone`);
    if (record.stage === 'running') {
      await inTermsOf('linux', () => host.cgroups.update(record.cgroupPath, cgroupLimits(wanted, limits)));
      await this.moveScores(record, wanted);
    }
    const spec = JSON.parse(text.toString('utf8')) as OciSpec;
    spec.linux.resources = { ...spec.linux.resources, ...ociLimits(wanted, limits) };
    spec.process.oomScoreAdj = Math.max(Number(wanted.oom_score_adj), limits.lowestOomScore);
    await host.files.writeAtomic(path, JSON.stringify(spec), 0o600);
  }

  /** Of processes that run: a kubelet changes it with the memory that a container requests. One that has set its own keeps it. */
  private async moveScores(record: ContainerRecord, wanted: LinuxContainerResources): Promise<void> {
    const { host, limits } = this.pods.parts;
    const scoreOf = (of: LinuxContainerResources) =>
      Math.max(Number(of.oom_score_adj), limits.lowestOomScore);
    const change = { from: scoreOf(containerResources(record)), to: scoreOf(wanted) };
    if (change.from === change.to) return;
    // Again until none is left: a process can start another between the list and its own turn.
    for (let moved = 1; moved > 0;) {
      const pids = await host.cgroups.pids(record.cgroupPath);
      moved = pids.filter((pid) => host.processes.moveOomScore(pid, change)).length;
    }
  }

  /** Records the pod's sums, and sets them as limits where the pod's group is nodelet's own (ADR 16). */
  async updateSandbox({
    pod_sandbox_id,
    overhead,
    resources,
  }: UpdatePodSandboxResourcesRequest): Promise<void> {
    const { id } = this.pods.ledger.findSandbox(pod_sandbox_id);
    for (const [base, asked] of Object.entries({ overhead, resources })) {
      if (asked !== null) validatePodResources(asked, { base, machine: this.pods.parts.limits });
    }
    await this.pods.queue.run(id, async () => {
      const record = this.pods.ledger.sandbox(id);
      if (record?.stage !== 'ready') {
        throw new NodeletError('wrong-state', `sandbox ${id} is not ready`, { field: 'pod_sandbox_id' });
      }
      const linux = record.config.linux ?? newLinuxPodSandboxConfig();
      const merge = (old: LinuxContainerResources | null, asked: LinuxContainerResources | null) =>
        asked === null ? old : mergeResources(old ?? newLinuxContainerResources(), asked);
      const wanted = {
        ...record,
        config: {
          ...record.config,
          linux: {
            ...linux,
            overhead: merge(linux.overhead, overhead),
            resources: merge(linux.resources, resources),
          },
        },
      };
      await this.pods.ledger.saveSandbox({ ...wanted, limitsAhead: true });
      try {
        await this.applyToPod(wanted);
      } catch (thrown) {
        await this.pods.ledger.saveSandbox(record);
        throw thrown;
      }
      await this.pods.ledger.saveSandbox(wanted);
    });
  }

  async finishPod({ limitsAhead, ...record }: SandboxRecord): Promise<void> {
    if (limitsAhead !== true) return;
    await this.applyToPod(record).catch((thrown: unknown) => {
      this.pods.parts.log.warn({ sandbox: record.id, err: String(thrown) }, "a pod's limits can't be set");
    });
    await this.pods.ledger.saveSandbox(record);
  }

  private async applyToPod(record: SandboxRecord): Promise<void> {
    const limits = podLimits(record, this.pods);
    if (limits === undefined) return;
    const { cgroups } = this.pods.parts.host;
    await inTermsOf('resources', () => cgroups.update(record.cgroupPath, limits));
  }
}

/** Limits of a container as they are now, after updates and with what the machine made of them. */
export function containerResources({ resources, config }: ContainerRecord): LinuxContainerResources {
  return resources ?? config.linux?.resources ?? newLinuxContainerResources();
}

/** What the machine lets the agent give of a score; 0 stays, which asks for none. */
export function givenScore(asked: string, lowest: number): string {
  return asked === '0' ? asked : String(Math.max(Number(asked), lowest));
}

function refuseWhatIsNotLinux({ windows, annotations }: UpdateContainerResourcesRequest): void {
  if (windows !== null) {
    throw new NodeletError('unsupported', 'this node runs Linux containers', {
      field: 'windows',
      remedy: 'leave the field out',
    });
  }
  const [key] = Object.keys(annotations);
  if (key === undefined) return;
  throw new NodeletError('unsupported', 'there is nothing on this node that takes orders from it', {
    field: `annotations["${key}"]`,
    remedy: 'leave the field out',
  });
}
