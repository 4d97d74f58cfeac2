import type { ContainerId } from '../../base/ids.js';
import type { ContainerRecord } from '../../state/records.js';
import { containerTarget } from './container-target.js';
import { isAlive } from '../liveness.js';
import type { Pods } from '../pods.js';

/** Reported where the monitor died too, so that nobody knows how the container ended (containerd's number). */
const unknownExitCode = 255;
/** What SIGKILL leaves of process 1, and what a shell that is process 1 passes on of its last command. */
const killedExitCode = 137;
/** The monitor writes the exit file right after it has reaped process 1: this long it may take at most. */
const exitFilePatienceMs = 5_000;
const exitFilePollMs = 5;

/**
 * Records how a container ended, once its process 1 is gone. Called inside the pod's queue; a container that
 * still lives, or whose exit is known already, is left alone.
 */
export async function settleExit(pods: Pods, id: ContainerId): Promise<void> {
  const record = pods.ledger.container(id);
  if (record?.stage !== 'running') return;
  const { host, runner } = pods.parts;
  if (isAlive(pods, record.process)) return;
  const exit = await waitForExitFile(pods, record);
  const exitCode = exit?.exitCode ?? unknownExitCode;
  const endedByNodelet = pods.killed.delete(id);
  // Before the removal below, which takes the count along with the group.
  const oomKilled =
    exitCode === killedExitCode && !endedByNodelet && (await host.cgroups.oomKills(record.cgroupPath)) > 0;
  await pods.ledger.saveContainer({
    ...record,
    stage: 'exited',
    exitCode,
    finishedAtNs: exit === undefined ? pods.nowNs() : later(exit.finishedAtNs, record.startedAtNs),
    reason: exit === undefined ? 'ContainerStatusUnknown' : exitReason(exitCode, oomKilled),
    message: exit === undefined ? 'the container and its monitor were gone when nodelet looked' : '',
    process: undefined,
    monitor: undefined,
  });
  await runner.remove(containerTarget(pods, record));
}

/** File times come from a clock that ticks every few milliseconds, so that an end could seem to precede its start. */
function later(a: string, b: string): string {
  return BigInt(a) > BigInt(b) ? a : b;
}

/** A container that outlived the OOM kill of a process in it, and ended by itself later, was not OOM killed. */
function exitReason(exitCode: number, oomKilled: boolean): string {
  if (oomKilled) return 'OOMKilled';
  return exitCode === 0 ? 'Completed' : 'Error';
}

async function waitForExitFile(pods: Pods, record: ContainerRecord) {
  const { host, runner } = pods.parts;
  for (let waitedMs = 0; waitedMs < exitFilePatienceMs; waitedMs += exitFilePollMs) {
    const exit = await runner.readExit(record.id);
    if (exit !== undefined) return exit;
    if (!isAlive(pods, record.monitor)) break;
    await host.clock.sleep(exitFilePollMs);
  }
  // The monitor may have written it between the last look and its own end.
  return runner.readExit(record.id);
}

/**
 * Follows the monitors' exit files, so that an exit is known without anyone asking; one of a container that was
 * removed before its monitor wrote it is forgotten at once. Returns the stop function.
 */
export function followExits(pods: Pods): () => void {
  return pods.parts.runner.watchExits((id) => {
    const record = pods.ledger.container(id);
    const work =
      record === undefined
        ? pods.parts.runner.forgetExit(id)
        : pods.queue.run(record.sandboxId, () => settleExit(pods, id));
    work.catch((thrown: unknown) => {
      pods.parts.log.error({ container: id, err: String(thrown) }, 'exit could not be recorded');
    });
  });
}
