import fs from 'node:fs';
import path from 'node:path';
import { SharedFlights } from '../base/shared-flight.js';
import type { Host } from '../ports/host.js';
import type { RecordTable } from '../ports/record-store.js';
import { checkLayerType, unpackLayer } from './layer-unpack.js';
import type { Descriptor } from './manifest.js';

/** A layer that is whole and on the disk. */
export interface LayerRecord {
  version: 1;
  /** Name of its folder below the store's: short, since all lowers of an overlay share one page of mount options. */
  folder: string;
  diskBytes: number;
  inodes: number;
}

export interface LayerUsage {
  diskBytes: number;
  inodes: number;
}

export interface WantedLayer {
  chainId: string;
  diffId: string;
  descriptor: Descriptor;
}

interface LayerStoreParts {
  dir: string;
  records: RecordTable<LayerRecord>;
  host: Pick<Host, 'files' | 'layerFiles' | 'processes'>;
}

const temporaryMark = '.tmp';
const folderNameMinChars = 10;

/**
 * Layers by chain id (image-spec config.md), each unpacked once into a folder that overlay mounts as a lower.
 *
 *   download and unpack under a temporary name ──► syncfs ──► rename ──► fsync of the store's folder ──► record
 *
 * A layer without a record isn't whole: a start removes it. Removal goes the other way, the record first.
 */
export class LayerStore {
  private readonly known = new Map<string, LayerRecord>();
  private readonly flights = new SharedFlights<string, void>();
  private readonly holds = new Map<string, number>();
  private readonly removals = new Map<string, Promise<void>>();
  private readonly namesTaken = new Set<string>();

  constructor(private readonly parts: LayerStoreParts) {}

  /** Forgets layers whose folder has been lost and removes folders that aren't whole. */
  async start(): Promise<void> {
    const { dir, records, host } = this.parts;
    await host.files.makeDir(dir, 0o700);
    const present = new Set(await host.files.list(dir));
    for (const [chainId, record] of records.entries()) {
      if (!present.delete(record.folder)) {
        await records.remove(chainId);
        continue;
      }
      this.known.set(chainId, record);
      this.namesTaken.add(record.folder);
    }
    for (const left of present) await host.files.removeTree(path.join(dir, left));
  }

  has(chainId: string): boolean {
    return this.known.has(chainId);
  }

  /** The folder of a layer that is there. */
  folder(chainId: string): string {
    const { dir } = this.parts;
    return path.join(dir, this.known.get(chainId)?.folder ?? chainId.replace('sha256:', ''));
  }

  /** Of these layers, or of all. */
  usage(chainIds: Iterable<string> = this.known.keys()): LayerUsage {
    const usage = { diskBytes: 0, inodes: 0 };
    for (const chainId of chainIds) {
      usage.diskBytes += this.known.get(chainId)?.diskBytes ?? 0;
      usage.inodes += this.known.get(chainId)?.inodes ?? 0;
    }
    return usage;
  }

  /** Keeps layers from being removed, there or still to come, until the returned function is called. */
  hold(chainIds: readonly string[]): () => void {
    for (const chainId of chainIds) this.holds.set(chainId, (this.holds.get(chainId) ?? 0) + 1);
    return () => {
      for (const chainId of chainIds) {
        const others = (this.holds.get(chainId) ?? 1) - 1;
        if (others > 0) this.holds.set(chainId, others);
        else this.holds.delete(chainId);
      }
    };
  }

  /** Removes every layer that nobody holds and `isUsed` doesn't claim at that moment. */
  async removeUnused(isUsed: (chainId: string) => boolean): Promise<void> {
    for (const [chainId, record] of [...this.known]) {
      if (!this.known.has(chainId) || this.holds.has(chainId) || isUsed(chainId)) continue;
      this.known.delete(chainId);
      const removal = this.remove(chainId, record).finally(() => this.removals.delete(chainId));
      this.removals.set(chainId, removal);
      await removal;
    }
  }

  private async remove(chainId: string, { folder }: LayerRecord): Promise<void> {
    const { dir, records, host } = this.parts;
    await records.remove(chainId);
    await host.files.removeTree(path.join(dir, folder));
    this.namesTaken.delete(folder);
  }

  /**
   * Fetches and unpacks a layer unless it is there. Callers that want it at the same time share the work, and a caller whose own
   * fetch didn't fail tries it by itself, since another's credentials or registry may have been at fault.
   */
  async ensure(
    layer: WantedLayer,
    signal: AbortSignal,
    fetchTo: (file: string, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    checkLayerType(layer.descriptor);
    for (;;) {
      await this.removals.get(layer.chainId);
      if (this.has(layer.chainId)) return;
      let mine = false;
      const work = (flight: AbortSignal): Promise<void> => {
        mine = true;
        return this.build(layer.chainId, (place) => this.fetchAndUnpack(layer, place, flight, fetchTo));
      };
      try {
        await this.flights.join(layer.chainId, signal, work);
      } catch (thrown) {
        if (mine || signal.aborted) throw thrown;
      }
    }
  }

  /** Puts a layer into the store that `fill` makes in an empty folder. */
  async add(chainId: string, fill: (dir: string) => Promise<LayerUsage>): Promise<void> {
    await this.removals.get(chainId);
    if (!this.has(chainId)) await this.build(chainId, ({ target }) => fill(target));
  }

  private async fetchAndUnpack(
    { descriptor, diffId }: WantedLayer,
    { target, blob, tar }: BuildPlace,
    signal: AbortSignal,
    fetchTo: (file: string, signal: AbortSignal) => Promise<void>,
  ): Promise<LayerUsage> {
    await fetchTo(blob, signal);
    return unpackLayer({ blob, tar, target, descriptor, diffId, signal }, this.parts.host);
  }

  private async build(chainId: string, fill: (place: BuildPlace) => Promise<LayerUsage>): Promise<void> {
    const { dir, records, host } = this.parts;
    const folder = this.takeName(chainId);
    const base = path.join(dir, `${folder}${temporaryMark}`);
    const place = { target: base, blob: `${base}.blob`, tar: `${base}.tar` };
    try {
      await fs.promises.mkdir(place.target, { mode: 0o755 });
      const { diskBytes, inodes } = await fill(place);
      // All of the file system at once: a sync for each of thousands of files would take minutes.
      await host.layerFiles.syncFileSystem(place.target);
      await fs.promises.rename(place.target, path.join(dir, folder));
      await host.layerFiles.syncFolder(dir);
      const record: LayerRecord = { version: 1, folder, diskBytes, inodes };
      await records.put(chainId, record);
      this.known.set(chainId, record);
    } catch (thrown) {
      await host.files.removeTree(path.join(dir, folder));
      this.namesTaken.delete(folder);
      throw thrown;
    } finally {
      for (const left of Object.values(place)) await host.files.removeTree(left);
    }
  }

  private takeName(chainId: string): string {
    const hex = chainId.replace('sha256:', '');
    let chars = folderNameMinChars;
    while (this.namesTaken.has(hex.slice(0, chars))) chars += 1;
    const name = hex.slice(0, chars);
    this.namesTaken.add(name);
    return name;
  }
}

/** Where a layer is made: its folder under a temporary name, and room for what is fetched. */
interface BuildPlace {
  target: string;
  blob: string;
  tar: string;
}
