import type { StreamClientProcess } from './client-process.js';
import { measureExecs } from './execs.js';
import type { ExecsReport } from './execs.js';
import { measureIdle } from './idle-pods.js';
import type { IdleReport } from './idle-pods.js';
import type { BenchOptions } from './options.js';
import { measureCycles } from './pod-cycles.js';
import type { CyclesReport } from './pod-cycles.js';
import type { RuntimeUnderTest } from './runtime-under-test.js';
import { measureStreams } from './streams.js';
import type { StreamsReport } from './streams.js';

/** What was measured of one runtime: a part for each group that was asked for. */
export interface RuntimeReport {
  name: string;
  version: string;
  cycles: CyclesReport | undefined;
  execs: ExecsReport | undefined;
  streams: StreamsReport | undefined;
  lists: IdleReport | undefined;
}

/** Measures all runtimes in one run, the groups of measurements one after the other; in each the runtimes take turns. */
export async function measure(
  runtimes: readonly RuntimeUnderTest[],
  client: StreamClientProcess,
  options: BenchOptions,
): Promise<RuntimeReport[]> {
  const { only } = options;
  const cycles = only.includes('cycles') ? await measureCycles(runtimes, options) : [];
  const execs = only.includes('execs') ? await measureExecs(runtimes, client, options) : [];
  const streams = only.includes('streams') ? await measureStreams(runtimes, client, options) : [];
  const lists = only.includes('lists') ? await measureIdle(runtimes, options.pods) : [];
  return runtimes.map(({ name, version }, index) => ({
    name,
    version,
    cycles: cycles[index],
    execs: execs[index],
    streams: streams[index],
    lists: lists[index],
  }));
}
