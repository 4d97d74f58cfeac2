import type { StreamClientProcess } from './client-process.js';
import { peakGrowthMb } from './memory.js';
import type { BenchOptions } from './options.js';
import { removePods } from './pod-cycle.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import { Samples, flows } from './samples.js';
import type { Flow, Summary } from './samples.js';
import { StreamPod } from './stream-pod.js';
import { inTurns } from './turns.js';

/** A flow over all rounds. */
export interface FlowReport {
  bytes: number;
  /** Of the round in the middle, megabytes (10^6 bytes) per second. */
  mbPerSecond: number;
  /** The most that the daemon's resident memory grew by in a round, megabytes. */
  growthMb: number;
}

export interface StreamsReport {
  flows: Record<Flow, FlowReport>;
  /** A forwarded connection, until a byte has been there and back. */
  connecting: Summary;
}

/** Bytes into pods and out of them. */
export async function measureStreams(
  runtimes: readonly RuntimeUnderTest[],
  client: StreamClientProcess,
  options: BenchOptions,
): Promise<StreamsReport[]> {
  const bytes = options.streamMib * 1024 * 1024;
  const courses: StreamCourse[] = [];
  for (const runtime of runtimes) {
    courses.push(new StreamCourse(runtime, await StreamPod.start(runtime.shape, client, bytes)));
  }
  for (let round = 0; round < options.rounds; round++) {
    console.log(`bench: streams, round ${round + 1} of ${options.rounds}`);
    for (const flow of flows) await inTurns(round, courses, (course) => course.flow(flow));
    await inTurns(round, courses, (course) => course.connect(options.connections));
  }
  for (const { shape } of runtimes) await removePods(shape);
  return courses.map((course) => course.report());
}

/** Adds up over the rounds. */
class StreamCourse {
  private readonly durations = new Samples<Flow>();
  private readonly connections = new Samples<'connecting'>();
  private readonly growthMb = new Map<Flow, number>();

  constructor(
    private readonly runtime: RuntimeUnderTest,
    private readonly pod: StreamPod,
  ) {}

  async flow(flow: Flow): Promise<void> {
    const growthMb = await peakGrowthMb(this.runtime.daemonPid, async () => {
      this.durations.add(flow, await this.pod.flowMs(flow));
    });
    this.growthMb.set(flow, Math.max(growthMb, this.growthMb.get(flow) ?? 0));
  }

  async connect(connections: number): Promise<void> {
    for (const durationMs of await this.pod.connectMs(connections))
      this.connections.add('connecting', durationMs);
  }

  report(): StreamsReport {
    const durations = this.durations.summary(flows);
    const entries = flows.map((flow): [Flow, FlowReport] => {
      const bytes = this.pod.bytesOf(flow);
      const mbPerSecond = bytes / 1e3 / durations[flow].p50Ms;
      return [flow, { bytes, mbPerSecond, growthMb: this.growthMb.get(flow) ?? 0 }];
    });
    return {
      flows: Object.fromEntries(entries) as Record<Flow, FlowReport>,
      connecting: this.connections.summary(['connecting']).connecting,
    };
  }
}
