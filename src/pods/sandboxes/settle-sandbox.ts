import type { SandboxId } from '../../base/ids.js';
import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import type { ContainerService } from '../containers/container-service.js';
import type { ContainerStops } from '../containers/container-stop.js';
import { containerTarget } from '../containers/container-target.js';
import { settleExit } from '../containers/exits.js';
import { isAlive } from '../liveness.js';
import type { Pods } from '../pods.js';
import type { ResourceUpdates } from '../resources/resource-update.js';
import type { SandboxService } from './sandbox-service.js';

export interface SettleServices {
  sandboxes: SandboxService;
  containers: ContainerService;
  stops: ContainerStops;
  resources: ResourceUpdates;
}

/** Whether a sandbox or a container of it is on its way to another stage, or has ended without its record knowing. */
export function isUnsettled(pods: Pods, sandbox: SandboxRecord): boolean {
  return (
    (sandbox.stage !== 'ready' && sandbox.stage !== 'stopped') ||
    hasEndedUnnoticed(pods, sandbox) ||
    sandbox.limitsAhead === true ||
    pods.ledger
      .containersOf(sandbox.id)
      .some(
        ({ stage, resourcesAhead }) =>
          stage === 'creating' ||
          stage === 'starting' ||
          stage === 'removing' ||
          resourcesAhead !== undefined,
      )
  );
}

/** Whether the infra container or a running one has ended without its record knowing. */
export function hasEndedUnnoticed(pods: Pods, sandbox: SandboxRecord): boolean {
  return (
    hasLostInfra(pods, sandbox) ||
    pods.ledger
      .containersOf(sandbox.id)
      .some(({ stage, process }) => stage === 'running' && !isAlive(pods, process))
  );
}

/** A pod whose infra container is gone has lost its namespaces, and can only be stopped. */
function hasLostInfra(pods: Pods, { stage, infra }: SandboxRecord): boolean {
  return stage === 'ready' && !isAlive(pods, infra);
}

/**
 * Brings one sandbox to rest: each step that a crash or an error left half done is finished or undone, each
 * end is recorded. Called inside the pod's queue, or before requests come, so that nobody else is at work on it.
 */
export async function settleSandbox(pods: Pods, services: SettleServices, id: SandboxId): Promise<void> {
  const sandbox = pods.ledger.sandbox(id);
  if (sandbox === undefined || !isUnsettled(pods, sandbox)) return;
  await adoptMonitors(pods, id);
  if (sandbox.stage === 'creating' || sandbox.stage === 'removing') {
    await services.sandboxes.purge(sandbox);
    return;
  }
  for (const container of pods.ledger.containersOf(id)) {
    if (container.stage === 'creating' || container.stage === 'removing') {
      await services.containers.purge(container);
    } else {
      if (container.stage === 'starting') await finishStart(pods, services.containers, container);
      await settleExit(pods, container.id);
      await services.resources.finish(pods.ledger.container(container.id) ?? container);
    }
  }
  await services.resources.finishPod(sandbox);
  if (sandbox.stage === 'stopping' || hasLostInfra(pods, sandbox)) {
    await services.sandboxes.stopInQueue(sandbox);
  }
}

/** The monitor of a start that was cut short isn't in its record yet; whoever removes the container waits for it. */
async function adoptMonitors(pods: Pods, id: SandboxId): Promise<void> {
  const started = pods.ledger
    .containersOf(id)
    .filter(({ stage, monitor }) => monitor === undefined && (stage === 'starting' || stage === 'removing'));
  if (started.length === 0) return;
  const monitors = await pods.parts.runner.monitors();
  for (const record of started) {
    const monitor = monitors.get(record.id);
    if (monitor !== undefined) await pods.ledger.saveContainer({ ...record, monitor });
  }
}

/** A start cut short: a container whose program has begun is kept, however far it came; one that has not is undone. */
async function finishStart(pods: Pods, containers: ContainerService, record: ContainerRecord): Promise<void> {
  const { begun, process } = await pods.parts.runner.inspectStart(containerTarget(pods, record));
  if (begun) {
    await pods.ledger.saveContainer({ ...record, process, stage: 'running', startedAtNs: pods.nowNs() });
    return;
  }
  await containers.failStart(record, 'the start of the container was cut short');
}

/** An end that nobody has told of yet is recorded before a status is told: a patrol alone would be seconds late. */
export async function noticeEnd(pods: Pods, services: SettleServices, id: SandboxId): Promise<void> {
  const sandbox = pods.ledger.sandbox(id);
  if (sandbox === undefined || !hasEndedUnnoticed(pods, sandbox)) return;
  await pods.queue.run(id, () => settleSandbox(pods, services, id));
}
