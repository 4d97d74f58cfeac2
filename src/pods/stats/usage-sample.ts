import type { CgroupDetail, CgroupReading } from '../../ports/cgroup-meter.js';
import type { OpenFiles } from '../../ports/usage-probes.js';

/** A cgroup that is sampled: a running container's, or a ready pod's. */
export interface SampleTarget {
  /** Id of the container or the sandbox. */
  id: string;
  cgroupPath: string;
  startedAtNs: string;
}

/** What one housekeeping pass has seen of a target; never changed once it is taken. */
export interface UsageSample {
  /** Wall clock, nanoseconds since the epoch: when the files were read. */
  timestampNs: string;
  /** For the distance to other samples. */
  monotonicMs: number;
  reading: CgroupReading;
  /** CPU in billionths of a core, over the time since the sample before; undefined while there is no such time. */
  nanoCores: number | undefined;
}

/** What metrics need beyond that, of a container. */
export interface DetailSample {
  timestampNs: string;
  detail: CgroupDetail;
  /** Over all processes of the container's own group; the limit is that of the first. */
  files: OpenFiles;
}

const nsPerMs = 1_000_000;
/** Over less time than this the clock ticks of the scheduler are most of what would be seen. */
const shortestRateMs = 100;
/** A first sample this long after the start would tell of the container's whole past as of now. */
const longestYouthMs = 20_000;
const shortestYouthMs = 1_000;

/** The CPU rate that a new reading makes together with the sample before it, or with the start of something young. */
export function nanoCoresOf(
  now: { reading: CgroupReading; monotonicMs: number; timestampNs: string },
  before: UsageSample | undefined,
  startedAtNs: string,
): number | undefined {
  const usedNs = now.reading.cpu?.usageNs;
  if (usedNs === undefined) return undefined;
  if (before?.reading.cpu === undefined) {
    const ageMs = Number(BigInt(now.timestampNs) - BigInt(startedAtNs)) / nsPerMs;
    return ageMs >= shortestYouthMs && ageMs <= longestYouthMs ? rate(usedNs, ageMs) : undefined;
  }
  const passedMs = now.monotonicMs - before.monotonicMs;
  return passedMs < shortestRateMs ? before.nanoCores : rate(usedNs - before.reading.cpu.usageNs, passedMs);
}

/** A group that was made anew under the same path counts from nothing again. */
function rate(usedNs: number, passedMs: number): number {
  return Math.max(0, Math.round((usedNs * 1000) / passedMs));
}
