import type { ContainerId } from '../base/ids.js';
import type { ContainerRecord, SandboxRecord } from '../state/records.js';
import type { ContainerService } from './container-service.js';
import { startErrorCode } from './container-service.js';
import { settleExit } from './exits.js';
import { isAlive } from './liveness.js';
import type { Pods } from './pods.js';
import type { SandboxService } from './sandbox-service.js';

/**
 * Brings records and machine together after a start: what lived on is adopted, what a crash left half made
 * is undone, what ended meanwhile is recorded, and what belongs to no record is removed.
 */
export async function recover(
  pods: Pods,
  services: { sandboxes: SandboxService; containers: ContainerService },
): Promise<void> {
  await attempt(pods, 'monitors', () => adoptMonitors(pods));
  for (const sandbox of pods.ledger.allSandboxes()) {
    await attempt(pods, `sandbox ${sandbox.id}`, () => recoverSandbox(pods, services, sandbox));
  }
  await sweepOrphans(pods);
}

async function recoverSandbox(
  pods: Pods,
  services: { sandboxes: SandboxService; containers: ContainerService },
  sandbox: SandboxRecord,
): Promise<void> {
  if (sandbox.stage === 'creating' || sandbox.stage === 'removing') {
    await services.sandboxes.purge(sandbox);
    return;
  }
  for (const container of pods.ledger.containersOf(sandbox.id)) {
    if (container.stage === 'creating' || container.stage === 'removing') {
      await services.containers.purge(container);
    } else {
      if (container.stage === 'starting') await finishStart(pods, services.containers, container);
      await settleExit(pods, container.id);
    }
  }
  if (sandbox.stage === 'stopping' || (sandbox.stage === 'ready' && !isAlive(pods, sandbox.infra))) {
    await services.sandboxes.stopInQueue(sandbox);
  }
}

/** A start cut short: a container whose program has begun is kept, however far it came; one that has not is undone. */
async function finishStart(pods: Pods, containers: ContainerService, record: ContainerRecord): Promise<void> {
  const { runner } = pods.parts;
  const target = containers.target(record);
  const { begun, process } = await runner.inspectStart(target);
  if (begun) {
    await pods.ledger.saveContainer({ ...record, process, stage: 'running', startedAtNs: pods.nowNs() });
    return;
  }
  await runner.remove(target, record.monitor);
  await runner.forgetExit(record.id);
  await pods.ledger.saveContainer({
    ...record,
    stage: 'exited',
    exitCode: startErrorCode,
    reason: 'StartError',
    message: 'nodelet ended while the container was being started',
    finishedAtNs: pods.nowNs(),
    monitor: undefined,
  });
}

/** A monitor that was started just before the crash isn't in its record yet. */
async function adoptMonitors(pods: Pods): Promise<void> {
  for (const [id, monitor] of await pods.parts.runner.monitors()) {
    const record = pods.ledger.container(id as ContainerId);
    if (record?.monitor === undefined && record?.stage === 'starting') {
      await pods.ledger.saveContainer({ ...record, monitor });
    }
  }
}

/** Things on the machine that no record knows: their making was undone only in part, or their record was lost. */
async function sweepOrphans(pods: Pods): Promise<void> {
  const { host, images, network, runner, config } = pods.parts;
  const sandboxes = new Set<string>(pods.ledger.allSandboxes().map((record) => record.id));
  const known = new Set<string>([...sandboxes, ...pods.ledger.allContainers().map((record) => record.id)]);
  for (const { id, handler } of await runner.list()) {
    if (known.has(id)) continue;
    const bundle = pods.containerDir(id);
    await attempt(pods, `container ${id}`, () => runner.remove({ id: id as never, handler, bundle }));
  }
  await attempt(pods, 'network', () => network.sweep(sandboxes));
  for (const path of await host.namespaces.listPinned(`${config.runDir}/netns`)) {
    if (!sandboxes.has(baseName(path))) {
      await attempt(pods, path, () => host.namespaces.removeNet(path));
    }
  }
  for (const id of await images.snapshots.list()) {
    if (!known.has(id)) await attempt(pods, `snapshot ${id}`, () => images.snapshots.remove(id));
  }
  for (const kind of ['sandboxes', 'containers']) {
    for (const id of await host.files.list(`${config.runDir}/${kind}`)) {
      if (known.has(id)) continue;
      await attempt(pods, `${kind}/${id}`, async () => {
        await host.mounts.unmount(`${config.runDir}/${kind}/${id}/shm`);
        await host.files.removeTree(`${config.runDir}/${kind}/${id}`);
      });
    }
  }
  for (const name of await host.cgroups.children(config.cgroupParent)) {
    const id = name.startsWith('pod') ? name.slice(3) : undefined;
    if (id === undefined || sandboxes.has(id)) continue;
    await attempt(pods, name, () => host.cgroups.remove(`${config.cgroupParent}/${name}`));
  }
}

/** One thing that can't be cleaned must not keep the rest from being cleaned, nor the agent from starting. */
async function attempt(pods: Pods, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    pods.parts.log.error({ what, err: String(thrown) }, 'recovery failed for one thing, going on');
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
