/** What is measured of a pod's life; those with a plus or a space are sums of the calls before them. */
export const operations = [
  'RunPodSandbox',
  'CreateContainer',
  'StartContainer',
  'CreateContainer+StartContainer',
  'pod up',
  'ExecSync',
  'StopPodSandbox',
  'RemovePodSandbox',
  'StopPodSandbox+RemovePodSandbox',
  'whole cycle',
] as const;
export type Operation = (typeof operations)[number];

/** Measured beside N idle pods. A runtime that lacks one of them has no samples of it. */
export const listings = [
  'ListPodSandbox',
  'ListContainers',
  'ListContainerStats',
  'ListPodSandboxStats',
  'ListPodSandboxMetrics',
] as const;
export type Listing = (typeof listings)[number];

/** A command without output in an idle pod: the one call, and the call with the stream until the end is told. */
export const execs = ['ExecSync', 'Exec'] as const;
export type Exec = (typeof execs)[number];

/** Bytes through streams, as the client sees them. */
export const flows = ['exec out', 'exec in', 'attach out', 'port-forward out', 'port-forward in'] as const;
export type Flow = (typeof flows)[number];

export interface Summary {
  count: number;
  p50Ms: number;
  p95Ms: number;
}

/** Durations by what took them. */
export class Samples<Name extends string> {
  private readonly durationsMs = new Map<Name, number[]>();

  add(name: Name, durationMs: number): void {
    const known = this.durationsMs.get(name);
    if (known === undefined) this.durationsMs.set(name, [durationMs]);
    else known.push(durationMs);
  }

  async time<T>(name: Name, work: () => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    const result = await work();
    this.add(name, performance.now() - startedMs);
    return result;
  }

  summary(names: readonly Name[]): Record<Name, Summary> {
    const entries = names.map((name): [Name, Summary] => {
      const sorted = [...(this.durationsMs.get(name) ?? [])].sort((a, b) => a - b);
      return [
        name,
        { count: sorted.length, p50Ms: percentile(sorted, 0.5), p95Ms: percentile(sorted, 0.95) },
      ];
    });
    return Object.fromEntries(entries) as Record<Name, Summary>;
  }
}

/** Nearest rank: the smallest sample that at least this share of all samples doesn't exceed; NaN of none. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
