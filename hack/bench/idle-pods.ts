import { isKind } from '../../src/base/errors.js';
import {
  newListContainerStatsRequest,
  newListContainersRequest,
  newListPodSandboxMetricsRequest,
  newListPodSandboxRequest,
  newListPodSandboxStatsRequest,
} from '../../src/ports/cri/messages.js';
import { measureMemory } from './memory.js';
import type { MemoryReport } from './memory.js';
import { contextOf, inFlight, podUp, removePods } from './pod-cycle.js';
import type { LivePod } from './pod-cycle.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import { Samples, listings } from './samples.js';
import type { Listing, Summary } from './samples.js';
import { must } from './turns.js';

export interface IdleListings {
  pods: number;
  listings: Record<Listing, Summary>;
}

export interface IdleReport {
  /** One for each number of idle pods. */
  listings: IdleListings[];
  memory: MemoryReport;
}

const listingRepeats = 30;

/**
 * Brings all runtimes to each number of pods and asks them in turn, so that what else the machine does meets them alike;
 * memory is measured at the first number.
 */
export async function measureIdle(
  runtimes: readonly RuntimeUnderTest[],
  counts: readonly number[],
): Promise<IdleReport[]> {
  const states = runtimes.map((runtime) => ({ runtime, pods: [] as LivePod[] }));
  const reports: { listings: IdleListings[]; memory: MemoryReport | undefined }[] = runtimes.map(() => ({
    listings: [],
    memory: undefined,
  }));
  for (const count of counts) {
    for (const { runtime, pods } of states) {
      console.log(`bench: ${runtime.name} with ${count} idle pods`);
      const more = count - pods.length;
      await inFlight(more, 4, async () => void pods.push(await podUp(runtime.shape, new Samples())));
    }
    const samples = runtimes.map(() => new Samples<Listing>());
    for (let repeat = 0; repeat < listingRepeats; repeat++) {
      for (const [index, runtime] of runtimes.entries()) await timeListings(runtime, must(samples[index]));
    }
    for (const [index, { runtime, pods }] of states.entries()) {
      const report = must(reports[index]);
      report.listings.push({ pods: count, listings: must(samples[index]).summary(listings) });
      report.memory ??= await measureMemory(runtime, pods);
    }
  }
  for (const runtime of runtimes) await removePods(runtime.shape);
  return reports.map(({ listings: told, memory }) => ({ listings: told, memory: must(memory) }));
}

async function timeListings(runtime: RuntimeUnderTest, samples: Samples<Listing>): Promise<void> {
  const ctx = contextOf(runtime.shape);
  const { runtime: verbs } = runtime.shape.client;
  const calls: Record<Listing, () => Promise<unknown>> = {
    ListPodSandbox: () => verbs.ListPodSandbox(newListPodSandboxRequest(), ctx),
    ListContainers: () => verbs.ListContainers(newListContainersRequest(), ctx),
    ListContainerStats: () => verbs.ListContainerStats(newListContainerStatsRequest(), ctx),
    ListPodSandboxStats: () => verbs.ListPodSandboxStats(newListPodSandboxStatsRequest(), ctx),
    ListPodSandboxMetrics: () => verbs.ListPodSandboxMetrics(newListPodSandboxMetricsRequest(), ctx),
  };
  for (const name of listings) {
    await samples.time(name, calls[name]).catch((thrown: unknown) => {
      if (!isKind(thrown, 'unsupported')) throw thrown;
    });
  }
}
