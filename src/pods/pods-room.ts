import {
  ContainerStateValues,
  PodSandboxStateValues,
  newCheckpointContainerResponse,
} from '../ports/cri/messages.js';
import type { OwnRuntimeVerbs } from '../ports/cri/runtime.js';
import { Checkpoints } from './checkpoints/checkpoints.js';
import { ContainerStops } from './containers/container-stop.js';
import { ContainerService } from './containers/container-service.js';
import { containerVerbs } from './containers/container-verbs.js';
import { followExits, settleExit } from './containers/exits.js';
import { containerState, sandboxState } from './messages.js';
import { nodeVerbs } from './node-verbs.js';
import { startPatrol } from './patrol.js';
import type { PodsParts } from './pods.js';
import { Pods } from './pods.js';
import { recover } from './recovery.js';
import { ResourceUpdates } from './resources/resource-update.js';
import { SandboxService } from './sandboxes/sandbox-service.js';
import { sandboxVerbs } from './sandboxes/sandbox-verbs.js';
import { createStats } from './stats/stats.js';
import { streamVerbs } from './streams/stream-verbs.js';

/** The runtime half's public face: CRI's runtime verbs, and starting and ending as a whole. */
export interface PodsRoom {
  verbs: OwnRuntimeVerbs;
  /** Recovers from the last run, then follows exits. */
  start(): Promise<void>;
  /** Stops following; containers run on. */
  stop(): Promise<void>;
  /** Stops and removes every sandbox: nodelet is leaving the machine. */
  removeAll(): Promise<void>;
  /** How many sandboxes and containers are in each CRI state (`ready`, `running`), for metrics. */
  counts(): { sandboxes: Record<string, number>; containers: Record<string, number> };
}

export function createPods(parts: PodsParts, version: string): PodsRoom {
  const pods = new Pods(parts);
  const stops = new ContainerStops(pods);
  const containers = new ContainerService(pods, stops);
  const sandboxes = new SandboxService(pods, containers, stops);
  const services = { sandboxes, containers, stops, resources: new ResourceUpdates(pods) };
  const stats = createStats(pods);
  const checkpoints = new Checkpoints(pods);
  let stopFollowing: () => void = () => undefined;
  return {
    verbs: {
      ...sandboxVerbs(pods, services),
      ...containerVerbs(pods, services),
      ...streamVerbs(pods),
      ...nodeVerbs(pods, version),
      ...stats.verbs,
      CheckpointContainer: async (request, ctx) => {
        await checkpoints.checkpoint(request, ctx);
        return newCheckpointContainerResponse();
      },
    },
    start: async () => {
      await recover(pods, services);
      const stopWatch = followExits(pods);
      const stopPatrol = startPatrol(pods, services);
      stopFollowing = () => {
        stopWatch();
        stopPatrol();
      };
      // An exit between recovery and the watch would be missed otherwise.
      for (const record of pods.ledger.allContainers()) {
        await pods.queue.run(record.sandboxId, () => settleExit(pods, record.id));
      }
      stats.start();
    },
    stop: async () => {
      stopFollowing();
      await stats.stop();
      await pods.queue.drain();
    },
    removeAll: async () => {
      for (const record of pods.ledger.allSandboxes()) await sandboxes.remove(record.id);
    },
    counts: () => ({
      sandboxes: tally(PodSandboxStateValues, pods.ledger.allSandboxes().map(sandboxState)),
      containers: tally(ContainerStateValues, pods.ledger.allContainers().map(containerState)),
    }),
  };
}

/** How many are in each state, by the state's short name (`ready`); zero, too, so that a graph has no gaps. */
function tally<State extends string>(
  known: readonly State[],
  states: (State | undefined)[],
): Record<string, number> {
  const shortName = (state: State): string => state.replace(/^(SANDBOX|CONTAINER)_/, '').toLowerCase();
  const counts = Object.fromEntries(known.map((state) => [shortName(state), 0]));
  for (const state of states) {
    if (state !== undefined) counts[shortName(state)] = (counts[shortName(state)] ?? 0) + 1;
  }
  return counts;
}
