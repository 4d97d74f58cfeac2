import { WakeUp } from '../../base/wake-up.js';
import type { Clock } from '../../ports/clock.js';
import type { ContainerStatus } from '../../ports/cri/messages.js';
import type { PodContainerName } from './chosen-run.js';
import type { RunLife } from './run-reader.js';

/** How often the pod is looked at where nothing has told of a change. */
const pollMs = 5000;

export interface Follower {
  of: PodContainerName;
  /** Whether the pod has gone for good. */
  isGone: () => boolean;
  /** Aborted when nobody reads any more. */
  signal: AbortSignal;
}

/** What a reader needs to know of one run of a container. */
export function lifeOf({ of, isGone, signal }: Follower, attempt: number): RunLife {
  const ended = (): boolean => {
    const runs = runsOf(of);
    const run = runs.find((one) => one.metadata?.attempt === attempt);
    if (run !== undefined) return run.state === 'CONTAINER_EXITED' || isGone();
    // Not seen yet, or removed already: then a later one is there.
    return isGone() || runs.some((one) => (one.metadata?.attempt ?? 0) > attempt);
  };
  return { signal, ended, watch: (changed) => of.pod.watch(changed) };
}

/** The attempt that follows on `after`, or is the first; waits for it. Undefined when there will be none. */
export async function nextAttempt(
  { of, isGone, signal }: Follower,
  after: number | undefined,
  clock: Clock,
): Promise<number | undefined> {
  const wakeUp = new WakeUp();
  const unwatch = of.pod.watch(wakeUp.ring);
  signal.addEventListener('abort', wakeUp.ring);
  try {
    for (;;) {
      if (signal.aborted) return undefined;
      const attempts = runsOf(of)
        .filter(({ state }) => state !== 'CONTAINER_CREATED')
        .map(({ metadata }) => metadata?.attempt ?? 0);
      const later = attempts.filter((attempt) => after === undefined || attempt > after);
      if (later.length > 0) return Math.min(...later);
      if (isGone() || !mayRunAgain(of)) return undefined;
      await wakeUp.wait(clock, pollMs);
    }
  } finally {
    unwatch();
    signal.removeEventListener('abort', wakeUp.ring);
  }
}

/** By the rules of container-work.ts: whether the agent will start the container once more after what it has seen. */
function mayRunAgain(of: PodContainerName): boolean {
  const { record } = of.pod;
  if (record.finished !== undefined || record.deletion !== undefined) return false;
  const [newest] = runsOf(of);
  if (newest?.state !== 'CONTAINER_EXITED') return true;
  const { restartPolicy, initContainers } = record.pod.spec;
  if (newest.exit_code !== 0) return restartPolicy !== 'Never';
  return restartPolicy === 'Always' && !initContainers.some(({ name }) => name === of.container);
}

/** Newest first. */
function runsOf({ pod, container }: PodContainerName): ContainerStatus[] {
  return pod.view.containers.filter(({ metadata }) => metadata?.name === container);
}
