import type { AgentParts } from '../agent-config.js';
import { containerName } from '../container-access.js';
import { podLogFolder } from '../cri-requests.js';
import type { PodReconciler } from '../pod-reconciler.js';
import { viewPod } from '../runtime-view.js';
import type { PodContainerName } from './chosen-run.js';
import { chosenAttempt, waitsForFirstRun } from './chosen-run.js';
import type { LogOptions } from './log-options.js';
import type { LogPlace } from './log-run.js';
import type { Follower } from './run-life.js';
import { lifeOf, nextAttempt } from './run-life.js';
import { readRun } from './run-reader.js';

export interface ContainerLogOptions extends LogOptions {
  /** May be left out where the pod has only one. */
  container?: string;
  /** As sinceNs, so long before now. */
  sinceSeconds?: number;
}

/**
 * The log of a container. Resolves once it is clear that there is one: `wrong-state` while the container waits to start,
 * unless restarts are followed, and where there is no previous run; `not-found` when the pod has no such container.
 */
export async function containerLog(
  pod: PodReconciler,
  { container, sinceSeconds, ...given }: ContainerLogOptions,
  parts: AgentParts,
  reader: Omit<Follower, 'of'>,
): Promise<AsyncGenerator<Buffer, void>> {
  const since =
    sinceSeconds === undefined
      ? {}
      : { sinceNs: parts.clock.nowNs() - BigInt(sinceSeconds) * 1_000_000_000n };
  const options: LogOptions = { ...given, ...since };
  const of = { pod, container: containerName(pod, container) };
  const view = await viewPod(parts.cri, pod.record.uid, pod.ctx);
  const follower = { ...reader, of };
  if (options.followRestarts === true && waitsForFirstRun(of, view))
    return logOfRuns(undefined, options, parts, follower);
  const attempt = chosenAttempt(of, view, options.previous ?? false);
  if (options.followRestarts === true) return logOfRuns(attempt, options, parts, follower);
  return readRun(placeOf(of, attempt, parts), options, parts, lifeOf(follower, attempt));
}

/** The logs of a run, the first where none is named, and of all after it. */
async function* logOfRuns(
  first: number | undefined,
  options: LogOptions,
  parts: AgentParts,
  follower: Follower,
): AsyncGenerator<Buffer, void> {
  const { tailLines, ...later } = options;
  let wanted: LogOptions = tailLines === undefined || first === undefined ? later : { ...later, tailLines };
  let left = options.limitBytes ?? Infinity;
  let attempt = first ?? (await nextAttempt(follower, undefined, parts.clock));
  while (attempt !== undefined) {
    const limit = Number.isFinite(left) ? { limitBytes: left } : {};
    const place = placeOf(follower.of, attempt, parts);
    for await (const text of readRun(place, { ...wanted, ...limit }, parts, lifeOf(follower, attempt))) {
      left -= text.length;
      yield text;
    }
    if (left <= 0) return;
    // The last lines are those of the run that was there; what comes after it is all new.
    wanted = later;
    attempt = await nextAttempt(follower, attempt, parts.clock);
  }
}

function placeOf({ pod, container }: PodContainerName, attempt: number, { config }: AgentParts): LogPlace {
  return { dir: `${podLogFolder(pod.record, config)}/${container}`, name: `${attempt}.log` };
}
