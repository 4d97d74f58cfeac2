import type { Log } from '../../base/call-context.js';
import type { CgroupDetail, CgroupMeter } from '../../ports/cgroup-meter.js';
import type { Host } from '../../ports/host.js';
import type { LinkTraffic } from '../../ports/links.js';
import type { OpenFiles } from '../../ports/usage-probes.js';
import { inTurns } from './in-turns.js';
import type { DetailSample, SampleTarget, UsageSample } from './usage-sample.js';
import { nanoCoresOf } from './usage-sample.js';

/** Details cost several times as much as the rest, so they are kept fresh only while somebody reads metrics. */
const detailsWantedMs = 5 * 60_000;
/** What is looked at of a container with very many processes or open files; more of them are left out. */
const mostProcesses = 512;
const mostDescriptors = 16_384;

export interface SamplerParts {
  host: Pick<Host, 'clock' | 'cgroupMeters' | 'usageProbes' | 'links'>;
  log: Log;
  /** Time from one pass to the next. */
  housekeepingMs: number;
  /** What there is to sample now. */
  containers: () => SampleTarget[];
  pods: () => SampleTarget[];
}

/**
 * Reads the cgroups of all pods and containers once in each housekeeping period, a few at a time, and keeps what it
 * saw. Requests are answered from that; only what has no sample yet, being new, is read for them.
 */
export class UsageSampler {
  private readonly samples = new Map<string, UsageSample>();
  private readonly details = new Map<string, DetailSample>();
  private links: { timestampNs: string; traffic: Map<string, LinkTraffic> } | undefined;
  private detailsWantedUntilMs = 0;
  private pass: Promise<void> = Promise.resolve();
  private stopTimer: () => void = () => undefined;
  private stopped = false;

  constructor(private readonly parts: SamplerParts) {}

  start(): void {
    this.pass = this.runPass().catch((thrown: unknown) =>
      this.parts.log.error({ err: String(thrown) }, 'sampling of usage failed'),
    );
    void this.pass.then(() => {
      if (!this.stopped)
        this.stopTimer = this.parts.host.clock.after(this.parts.housekeepingMs, () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.stopTimer();
    await this.pass;
  }

  sample(id: string): UsageSample | undefined {
    return this.samples.get(id);
  }

  detail(id: string): DetailSample | undefined {
    return this.details.get(id);
  }

  /** Traffic of a link of the host, with the time at which it was read. */
  traffic(link: string): { timestampNs: string; traffic: LinkTraffic } | undefined {
    const traffic = this.links?.traffic.get(link);
    return traffic === undefined || this.links === undefined
      ? undefined
      : { timestampNs: this.links.timestampNs, traffic };
  }

  /** Reads those that no pass has met yet. */
  async ensureSamples(targets: readonly SampleTarget[]): Promise<void> {
    const fresh = targets.filter(({ id }) => !this.samples.has(id));
    if (fresh.length === 0) return;
    const meter = await this.parts.host.cgroupMeters.open();
    await this.inTurns(fresh, (target) => {
      if (!this.samples.has(target.id)) this.takeSample(meter, target);
    });
  }

  /** Reads the traffic of all links where one of these is not known yet. */
  async ensureTraffic(links: readonly string[]): Promise<void> {
    if (links.some((link) => this.links?.traffic.has(link) !== true)) await this.takeTraffic();
  }

  /** Asked for metrics: has details of all targets, and of all containers for the next minutes. */
  async ensureDetails(targets: readonly SampleTarget[]): Promise<void> {
    const { clock, cgroupMeters } = this.parts.host;
    const nowMs = clock.monotonicMs();
    // After a pause of the readers they are not there, or too old.
    if (nowMs > this.detailsWantedUntilMs) this.details.clear();
    this.detailsWantedUntilMs = nowMs + detailsWantedMs;
    const fresh = targets.filter(({ id }) => !this.details.has(id));
    if (fresh.length === 0) return;
    const meter = await cgroupMeters.open();
    for (const target of fresh) if (!this.details.has(target.id)) await this.takeDetail(meter, target);
  }

  private async runPass(): Promise<void> {
    const { host, containers, pods } = this.parts;
    const running = containers();
    const targets = [...running, ...pods()];
    this.forgetOthers(targets);
    if (targets.length === 0) return;
    const meter = await host.cgroupMeters.open();
    await this.takeTraffic();
    await this.inTurns(targets, (target) => this.takeSample(meter, target));
    if (host.clock.monotonicMs() > this.detailsWantedUntilMs) {
      this.details.clear();
      return;
    }
    for (const target of running) {
      if (this.stopped) return;
      await this.takeDetail(meter, target);
    }
  }

  private forgetOthers(targets: readonly SampleTarget[]): void {
    const ids = new Set(targets.map(({ id }) => id));
    for (const kept of [this.samples, this.details]) {
      for (const id of kept.keys()) if (!ids.has(id)) kept.delete(id);
    }
  }

  private async takeTraffic(): Promise<void> {
    const { clock, links } = this.parts.host;
    const timestampNs = clock.nowNs().toString();
    this.links = { timestampNs, traffic: await links.traffic() };
  }

  private takeSample(meter: CgroupMeter, { id, cgroupPath, startedAtNs }: SampleTarget): void {
    const { clock } = this.parts.host;
    const taken = { timestampNs: clock.nowNs().toString(), monotonicMs: clock.monotonicMs() };
    const reading = meter.read(cgroupPath);
    if (reading === undefined) return;
    const now = { ...taken, reading };
    this.samples.set(id, { ...now, nanoCores: nanoCoresOf(now, this.samples.get(id), startedAtNs) });
  }

  private async takeDetail(meter: CgroupMeter, { id, cgroupPath }: SampleTarget): Promise<void> {
    const { clock } = this.parts.host;
    const timestampNs = clock.nowNs().toString();
    const detail = meter.detail(cgroupPath);
    if (detail === undefined) return;
    const files = await this.openFiles(detail.pids);
    this.details.set(id, {
      timestampNs,
      detail: withHighWater(detail, this.samples.get(id), this.details.get(id)?.detail),
      files,
    });
    await clock.sleep(0);
  }

  private async openFiles(pids: readonly number[]): Promise<OpenFiles> {
    const all: OpenFiles = { descriptors: 0, sockets: 0, softLimit: undefined };
    for (const pid of pids.slice(0, mostProcesses)) {
      const left = Math.max(0, mostDescriptors - all.descriptors);
      const files = await this.parts.host.usageProbes.openFiles(pid, left);
      if (files === undefined) continue;
      all.descriptors += files.descriptors;
      all.sockets += files.sockets;
      all.softLimit ??= files.softLimit;
    }
    return all;
  }

  private inTurns(targets: readonly SampleTarget[], work: (target: SampleTarget) => void): Promise<void> {
    return inTurns(this.parts.host.clock, { items: targets, wanted: () => !this.stopped }, work);
  }
}

/** Where the kernel keeps no high-water mark, the highest usage that any sample has met stands for it. */
function withHighWater(
  detail: CgroupDetail,
  sample: UsageSample | undefined,
  before: CgroupDetail | undefined,
): CgroupDetail {
  const { memory } = detail;
  const usageBytes = sample?.reading.memory?.usageBytes ?? 0;
  return {
    ...detail,
    memory: memory && {
      ...memory,
      maxUsageBytes: memory.maxUsageBytes ?? Math.max(usageBytes, before?.memory?.maxUsageBytes ?? 0),
    },
    hugepages: detail.hugepages.map((pages) => {
      const highest = before?.hugepages.find(({ size }) => size === pages.size)?.maxUsageBytes ?? 0;
      return { ...pages, maxUsageBytes: pages.maxUsageBytes ?? Math.max(pages.usageBytes, highest) };
    }),
  };
}
