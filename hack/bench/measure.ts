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
import type { BenchOptions } from './options.js';
import { contextOf, inFlight, podCycle, podUp, removePods } from './pod-cycle.js';
import type { LivePod } from './pod-cycle.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import { Samples, listings, operations } from './samples.js';
import type { Listing, Operation, Summary } from './samples.js';

export interface Series {
  operations: Record<Operation, Summary>;
  cyclesPerSecond: number;
}

export interface IdleListings {
  pods: number;
  listings: Record<Listing, Summary>;
}

export interface RuntimeReport {
  name: string;
  version: string;
  oneAtATime: Series;
  inFlight: Series;
  /** One for each number of idle pods. */
  listings: IdleListings[];
  memory: MemoryReport;
}

const listingRepeats = 30;

/** Adds up over the rounds. */
class Course {
  readonly samples = new Samples<Operation>();
  private cycles = 0;
  private busyMs = 0;

  async run(cycles: number, width: number, runtime: RuntimeUnderTest): Promise<void> {
    const startedMs = performance.now();
    await inFlight(cycles, width, () => podCycle(runtime.shape, this.samples));
    this.busyMs += performance.now() - startedMs;
    this.cycles += cycles;
  }

  report(): Series {
    return {
      operations: this.samples.summary(operations),
      cyclesPerSecond: (this.cycles * 1000) / this.busyMs,
    };
  }
}

/**
 * Measures all runtimes in one run: they take turns in every round, the first of one round being the last of
 * the next, so that whatever else the machine does meets them alike.
 */
export async function measure(
  runtimes: readonly RuntimeUnderTest[],
  options: BenchOptions,
): Promise<RuntimeReport[]> {
  const courses = runtimes.map((runtime) => ({ runtime, serial: new Course(), parallel: new Course() }));
  for (const { shape } of runtimes) await podCycle(shape, new Samples());
  for (let round = 0; round < options.rounds; round++) {
    console.log(`bench: round ${round + 1} of ${options.rounds}`);
    const turns = round % 2 === 0 ? courses : courses.toReversed();
    for (const { runtime, serial } of turns) await serial.run(options.cycles, 1, runtime);
    for (const { runtime, parallel } of turns) {
      await parallel.run(options.cyclesInFlight, options.inFlight, runtime);
    }
  }
  const idle = await measureIdle(runtimes, options.pods);
  return courses.map(({ runtime, serial, parallel }, index) => ({
    name: runtime.name,
    version: runtime.version,
    oneAtATime: serial.report(),
    inFlight: parallel.report(),
    ...must(idle[index]),
  }));
}

type Idle = Pick<RuntimeReport, 'listings' | 'memory'>;

/**
 * Brings all runtimes to each number of pods and asks them in turn, so that what else the machine does meets them alike;
 * memory is measured at the first number.
 */
async function measureIdle(
  runtimes: readonly RuntimeUnderTest[],
  counts: readonly number[],
): Promise<Idle[]> {
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

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('every runtime has a place in every list');
  return value;
}
