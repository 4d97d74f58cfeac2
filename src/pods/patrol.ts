import type { Pods } from './pods.js';
import type { SettleServices } from './sandboxes/settle-sandbox.js';
import { isUnsettled, settleSandbox } from './sandboxes/settle-sandbox.js';

/** How long an end that nobody told of, or a step that failed, may go unattended. */
const patrolMs = 10_000;

/**
 * Looks every few seconds for what nobody else would see to: a container whose monitor was killed with it, an
 * infra container that someone killed, an exit that could not be recorded, an undo or a removal that failed.
 * Returns the stop function.
 */
export function startPatrol(pods: Pods, services: SettleServices): () => void {
  const patrol = () => {
    for (const record of pods.ledger.allSandboxes()) {
      if (!isUnsettled(pods, record)) continue;
      pods.queue
        .run(record.id, () => settleSandbox(pods, services, record.id))
        .catch((thrown: unknown) => {
          pods.parts.log.error({ sandbox: record.id, err: String(thrown) }, 'settling the pod failed');
        });
    }
    stop = pods.parts.host.clock.after(patrolMs, patrol);
  };
  let stop = pods.parts.host.clock.after(patrolMs, patrol);
  return () => stop();
}
