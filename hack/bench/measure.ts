import { newListContainersRequest, newListPodSandboxRequest } from '../../src/ports/cri/messages.js';
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

export interface RuntimeReport {
  name: string;
  version: string;
  oneAtATime: Series;
  inFlight: Series;
  listings: Record<Listing, Summary>;
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
  const reports: RuntimeReport[] = [];
  for (const { runtime, serial, parallel } of courses) {
    console.log(`bench: ${runtime.name} with ${options.pods} idle pods`);
    const idle = await measureIdle(runtime, options.pods);
    reports.push({
      name: runtime.name,
      version: runtime.version,
      oneAtATime: serial.report(),
      inFlight: parallel.report(),
      ...idle,
    });
  }
  return reports;
}

async function measureIdle(
  runtime: RuntimeUnderTest,
  count: number,
): Promise<Pick<RuntimeReport, 'listings' | 'memory'>> {
  const { client } = runtime.shape;
  const pods: LivePod[] = [];
  await inFlight(count, 4, async () => void pods.push(await podUp(runtime.shape, new Samples())));
  const samples = new Samples<Listing>();
  const ctx = contextOf(runtime.shape);
  for (let repeat = 0; repeat < listingRepeats; repeat++) {
    await samples.time('ListPodSandbox', () =>
      client.runtime.ListPodSandbox(newListPodSandboxRequest(), ctx),
    );
    await samples.time('ListContainers', () =>
      client.runtime.ListContainers(newListContainersRequest(), ctx),
    );
  }
  const memory = await measureMemory(runtime, pods);
  await removePods(runtime.shape);
  return { listings: samples.summary(listings), memory };
}
