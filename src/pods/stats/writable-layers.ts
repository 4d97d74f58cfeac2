import type { Log } from '../../base/call-context.js';
import { KeyedQueue } from '../../base/keyed-queue.js';
import type { Host } from '../../ports/host.js';
import type { FileSystemFacts } from '../../ports/usage-probes.js';

/** No walk goes on for longer, nor over more entries: what it found by then is what it takes at least. */
const walkMs = 30_000;
const mostEntries = 100_000;
/** Between two walks there is a rest of this many times the first one's length. */
const restFactor = 4;
/** How long a request waits for the first walk over a container's layer, which is mostly empty then. */
const firstWalkMs = 250;

export interface LayerUsage {
  timestampNs: string;
  bytes: number;
  inodes: number;
}

export interface WritableLayersParts {
  host: Pick<Host, 'clock' | 'usageProbes'>;
  log: Log;
  /** Folder that holds all layers. */
  storeDir: string;
  /** Time from one round over all layers to the next. */
  periodMs: number;
  /** The containers that have a writable layer now. */
  layers: () => { id: string; dir: string }[];
}

/**
 * What containers have written to their root file systems, found by walks in the background: one at a time, bounded,
 * with rests in between. A request never walks.
 */
export class WritableLayers {
  private readonly usages = new Map<string, LayerUsage>();
  /** First walks under way: each resolves at its end, or when a request has waited for it long enough. */
  private readonly firstWalks = new Map<string, Promise<unknown>>();
  private readonly toldOfBound = new Set<string>();
  private readonly queue = new KeyedQueue<'walk'>();
  private readonly ending = new AbortController();
  private round: Promise<void> = Promise.resolve();
  private stopTimer: () => void = () => undefined;
  private store: FileSystemFacts | undefined;

  constructor(private readonly parts: WritableLayersParts) {}

  start(): void {
    this.round = this.walkAll().catch((thrown: unknown) =>
      this.parts.log.error({ err: String(thrown) }, 'measuring writable layers failed'),
    );
    void this.round.then(() => {
      if (!this.ending.signal.aborted)
        this.stopTimer = this.parts.host.clock.after(this.parts.periodMs, () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.ending.abort();
    this.stopTimer();
    await this.round;
    await this.queue.drain();
  }

  usage(id: string): LayerUsage | undefined {
    return this.usages.get(id);
  }

  /** The file system that all layers are on, as it was in the last round. */
  fileSystem(): FileSystemFacts | undefined {
    return this.store;
  }

  /** Has layers that are new measured out of turn, and waits a moment for it. */
  async ensure(ids: readonly string[]): Promise<void> {
    if (this.ending.signal.aborted) return;
    this.store ??= await this.parts.host.usageProbes.fileSystem(this.parts.storeDir);
    const fresh = ids.filter((id) => !this.usages.has(id));
    if (fresh.length === 0) return;
    const layers = new Map(this.parts.layers().map(({ id, dir }) => [id, dir]));
    const walks = fresh.flatMap((id) => {
      const dir = layers.get(id);
      return dir === undefined ? [] : [this.firstWalk(id, dir)];
    });
    await Promise.all(walks);
  }

  private firstWalk(id: string, dir: string): Promise<unknown> {
    const known = this.firstWalks.get(id);
    if (known !== undefined) return known;
    const patience = new AbortController();
    const walk = this.walk(id, dir)
      .catch((thrown: unknown) =>
        this.parts.log.warn({ container: id, err: String(thrown) }, 'measuring its writable layer failed'),
      )
      .finally(() => {
        this.firstWalks.delete(id);
        patience.abort();
      });
    const waited = this.parts.host.clock.sleep(firstWalkMs, patience.signal).catch(() => undefined);
    const first = Promise.race([walk, waited]);
    this.firstWalks.set(id, first);
    return first;
  }

  private async walkAll(): Promise<void> {
    const { clock, usageProbes } = this.parts.host;
    const layers = this.parts.layers();
    const ids = new Set(layers.map(({ id }) => id));
    for (const kept of [this.usages, this.toldOfBound]) {
      for (const id of kept.keys()) if (!ids.has(id)) kept.delete(id);
    }
    if (layers.length === 0) return;
    this.store = await usageProbes.fileSystem(this.parts.storeDir);
    for (const { id, dir } of layers) {
      if (this.ending.signal.aborted) return;
      const startedMs = clock.monotonicMs();
      await this.walk(id, dir);
      const restMs = (clock.monotonicMs() - startedMs) * restFactor;
      await clock.sleep(restMs, this.ending.signal).catch(() => undefined);
    }
  }

  private walk(id: string, dir: string): Promise<void> {
    return this.queue.run('walk', async () => {
      const { clock, usageProbes } = this.parts.host;
      const late = new AbortController();
      const stopTimer = clock.after(walkMs, () => late.abort());
      const timestampNs = clock.nowNs().toString();
      const signal = AbortSignal.any([late.signal, this.ending.signal]);
      const found = await usageProbes.folder(dir, { maxEntries: mostEntries, signal }).finally(stopTimer);
      if (found === undefined || this.ending.signal.aborted) return;
      this.usages.set(id, { timestampNs, bytes: found.bytes, inodes: found.inodes });
      if (found.complete || this.toldOfBound.has(id)) return;
      this.toldOfBound.add(id);
      this.parts.log.warn(
        { container: id, inodes: found.inodes },
        'its writable layer holds more than is counted in one go: stats tell the part that was; said once',
      );
    });
  }
}
