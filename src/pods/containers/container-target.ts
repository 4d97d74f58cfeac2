import { NodeletError } from '../../base/errors.js';
import type { ContainerId } from '../../base/ids.js';
import type { RunnerTarget } from '../../runtime/container-runner.js';
import type { ContainerRecord } from '../../state/records.js';
import type { Pods } from '../pods.js';

/** A container as the OCI runtime of its sandbox knows it. */
export function containerTarget(pods: Pods, record: ContainerRecord): RunnerTarget & { id: ContainerId } {
  const { id, bundle, cgroupPath, sandboxId, hasPoststop = false } = record;
  const handler = pods.parts.runner.resolveHandler(pods.ledger.sandbox(sandboxId)?.handler ?? '');
  return { id, handler, bundle, cgroupPath, hasPoststop };
}

/** The container of an id or a prefix of one; `wrong-state` unless it runs. */
export function runningContainer(pods: Pods, given: string): ContainerRecord {
  const record = pods.ledger.findContainer(given);
  if (record.stage === 'running') return record;
  throw new NodeletError('wrong-state', `container ${record.id} is ${record.stage}, not running`, {
    field: 'container_id',
  });
}
