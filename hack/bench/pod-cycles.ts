import type { BenchOptions } from './options.js';
import { inFlight, podCycle } from './pod-cycle.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import { Samples, operations } from './samples.js';
import type { Operation, Summary } from './samples.js';
import { inTurns } from './turns.js';

export interface Series {
  operations: Record<Operation, Summary>;
  cyclesPerSecond: number;
}

export interface CyclesReport {
  oneAtATime: Series;
  inFlight: Series;
}

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

/** Whole lives of pods, one at a time and several at once. */
export async function measureCycles(
  runtimes: readonly RuntimeUnderTest[],
  options: BenchOptions,
): Promise<CyclesReport[]> {
  const courses = runtimes.map((runtime) => ({ runtime, serial: new Course(), parallel: new Course() }));
  for (const { shape } of runtimes) await podCycle(shape, new Samples());
  for (let round = 0; round < options.rounds; round++) {
    console.log(`bench: pod cycles, round ${round + 1} of ${options.rounds}`);
    await inTurns(round, courses, ({ runtime, serial }) => serial.run(options.cycles, 1, runtime));
    await inTurns(round, courses, ({ runtime, parallel }) =>
      parallel.run(options.cyclesInFlight, options.inFlight, runtime),
    );
  }
  return courses.map(({ serial, parallel }) => ({
    oneAtATime: serial.report(),
    inFlight: parallel.report(),
  }));
}
