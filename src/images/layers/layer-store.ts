import fs from 'node:fs';
import path from 'node:path';
import { NodeletError } from '../../base/errors.js';
import { SharedFlights } from '../../base/shared-flight.js';
import type { Host } from '../../ports/host.js';
import type { LayerLimits, LayerPlaces } from '../../ports/layer-archives.js';
import type { RecordTable } from '../../ports/record-store.js';
import type { Descriptor } from '../manifest.js';
import type { LayerVerdict } from './layer-verdict.js';
import { judgeLayer, noRecipe } from './layer-verdict.js';
import { checkLayerType, unpackLayer } from './layer-unpack.js';

/** A layer that is whole and on the disk. */
export interface LayerRecord {
  version: 1;
  /** Name of its folder below the store's: short, since all lowers of an overlay share one page of mount options. */
  folder: string;
  diskBytes: number;
  inodes: number;
  /** Its archive can be made again; layers of older versions can't. */
  hasRecipe?: boolean;
}

export interface LayerUsage {
  diskBytes: number;
  inodes: number;
}

export interface WantedLayer {
  diffId: string;
  descriptor: Descriptor;
}

/** Gives the compressed bytes of a layer, checked against its descriptor; called when they are about to be taken. */
export type OpenLayer = (signal: AbortSignal) => AsyncIterable<Buffer>;

interface LayerStoreParts {
  dir: string;
  records: RecordTable<LayerRecord>;
  limits: LayerLimits;
  host: Pick<Host, 'files' | 'layerFiles' | 'layerArchives'>;
}

const temporaryMark = '.tmp';
const folderNameMinChars = 10;
const partsOf = ({ folder, recipe, displaced }: LayerPlaces): string[] => [folder, recipe, displaced];

/**
 * Layers by diff id (image-spec config.md), each unpacked once into a folder that overlay mounts as a lower, whichever layers are
 * below it. Beside the folder lies the recipe from which its archive is made again.
 *
 *   unpack under temporary names ──► syncfs ──► rename, the folder last ──► fsync of the store's folder ──► record
 *
 * A layer without a record isn't whole: a start removes it. Removal goes the other way, the record first. A layer that is replaced
 * (because it was damaged) lives on under another key until the containers that were started from it have gone.
 */
export class LayerStore {
  private readonly known = new Map<string, LayerRecord>();
  private readonly flights = new SharedFlights<string, void>();
  private readonly holds = new Map<string, number>();
  private readonly removals = new Map<string, Promise<void>>();
  private readonly namesTaken = new Set<string>();

  constructor(private readonly parts: LayerStoreParts) {}

  /** Forgets layers whose folder has been lost and removes what isn't whole. */
  async start(): Promise<void> {
    const { dir, records, host } = this.parts;
    await host.files.makeDir(dir, 0o700);
    const present = new Set(await host.files.list(dir));
    const kept = new Set<string>();
    for (const [key, record] of records.entries()) {
      if (!present.has(record.folder)) {
        await records.remove(key);
        continue;
      }
      this.known.set(key, record);
      this.namesTaken.add(record.folder);
      for (const part of partsOf(this.places(record.folder))) kept.add(path.basename(part));
    }
    for (const name of present) if (!kept.has(name)) await host.files.removeTree(path.join(dir, name));
  }

  has(key: string): boolean {
    return this.known.has(key);
  }

  /** The folder of a layer that is there. */
  folder(key: string): string {
    return this.places(this.known.get(key)?.folder ?? key.replace('sha256:', '')).folder;
  }

  /** Of these layers, or of all. */
  usage(keys: Iterable<string> = this.known.keys()): LayerUsage {
    const usage = { diskBytes: 0, inodes: 0 };
    for (const key of keys) {
      usage.diskBytes += this.known.get(key)?.diskBytes ?? 0;
      usage.inodes += this.known.get(key)?.inodes ?? 0;
    }
    return usage;
  }

  /** Keeps layers from being removed, there or still to come, until the returned function is called. */
  hold(keys: readonly string[]): () => void {
    for (const key of keys) this.holds.set(key, (this.holds.get(key) ?? 0) + 1);
    return () => {
      for (const key of keys) {
        const others = (this.holds.get(key) ?? 1) - 1;
        if (others > 0) this.holds.set(key, others);
        else this.holds.delete(key);
      }
    };
  }

  /** Removes every layer that nobody holds and `isUsed` doesn't claim at that moment. */
  async removeUnused(isUsed: (key: string) => boolean): Promise<void> {
    for (const [key, record] of [...this.known]) {
      if (!this.known.has(key) || this.holds.has(key) || isUsed(key)) continue;
      this.known.delete(key);
      const removal = this.remove(key, record).finally(() => this.removals.delete(key));
      this.removals.set(key, removal);
      await removal;
    }
  }

  /**
   * Fetches and unpacks a layer unless it is there. Callers that want it at the same time share the work, and a caller whose own
   * fetch didn't fail tries it by itself, since another's credentials or registry may have been at fault.
   */
  async ensure(layer: WantedLayer, signal: AbortSignal, open: OpenLayer): Promise<void> {
    checkLayerType(layer.descriptor);
    for (;;) {
      await this.removals.get(layer.diffId);
      if (this.has(layer.diffId)) return;
      let mine = false;
      const work = (flight: AbortSignal): Promise<void> => {
        mine = true;
        return this.build(layer, flight, open).then((record) => this.commit(layer.diffId, record));
      };
      try {
        await this.flights.join(layer.diffId, signal, work);
      } catch (thrown) {
        if (mine || signal.aborted) throw thrown;
      }
    }
  }

  /**
   * Unpacks a layer anew, beside the one that is there, and puts it into its place. `retire` is told the key under which
   * the old one lives on, before the new one can be had: it gives that key to whoever uses the old one.
   */
  async replace(
    layer: WantedLayer,
    {
      signal,
      open,
      retire,
    }: { signal: AbortSignal; open: OpenLayer; retire: (retiredKey: string) => Promise<void> },
  ): Promise<void> {
    checkLayerType(layer.descriptor);
    const fresh = await this.build(layer, signal, open);
    const old = this.known.get(layer.diffId);
    if (old !== undefined) {
      const retiredKey = `${layer.diffId} ${old.folder}`;
      await this.parts.records.put(retiredKey, old);
      this.known.set(retiredKey, old);
      await retire(retiredKey);
    }
    await this.commit(layer.diffId, fresh);
  }

  /** Reads a layer through its recipe and compares it with its diff id, byte by byte. */
  async verify(key: string, signal: AbortSignal): Promise<LayerVerdict> {
    const record = this.known.get(key);
    if (record === undefined) return { state: 'missing' };
    if (record.hasRecipe !== true) return noRecipe;
    return judgeLayer({ diffId: key, places: this.places(record.folder) }, this.parts.host, signal);
  }

  /** The exact uncompressed archive of a layer. `unsupported` for a layer of an older version, `corrupt` for a damaged one. */
  layerTar(key: string, signal: AbortSignal): AsyncIterable<Buffer> {
    const record = this.known.get(key);
    if (record === undefined) throw new NodeletError('not-found', `layer ${key} is not on this node`);
    if (record.hasRecipe !== true) {
      throw new NodeletError('unsupported', `layer ${key} can't be made into an archive: ${noRecipe.why}`, {
        remedy: 'remove the image and pull it again',
      });
    }
    return this.parts.host.layerArchives.pack(this.places(record.folder), signal);
  }

  private places(folder: string): LayerPlaces {
    const base = path.join(this.parts.dir, folder);
    return { folder: base, recipe: `${base}.recipe`, displaced: `${base}.displaced` };
  }

  private async remove(key: string, { folder }: LayerRecord): Promise<void> {
    await this.parts.records.remove(key);
    // A crash may have left two keys for one folder.
    if ([...this.known.values()].some((other) => other.folder === folder)) return;
    await this.clear(folder);
    this.namesTaken.delete(folder);
  }

  private async clear(folder: string): Promise<void> {
    for (const part of partsOf(this.places(folder))) await this.parts.host.files.removeTree(part);
  }

  /** Makes a layer's folder under a name of its own, whole and on the disk; nothing is left when it fails. */
  private async build(layer: WantedLayer, signal: AbortSignal, open: OpenLayer): Promise<LayerRecord> {
    const { limits, host } = this.parts;
    const { diffId, descriptor } = layer;
    const folder = this.takeName(diffId);
    const made = this.places(`${folder}${temporaryMark}`);
    try {
      await this.checkRoom(descriptor);
      await fs.promises.mkdir(made.folder, { mode: 0o755 });
      const { diskBytes, inodes } = await unpackLayer(
        { chunks: open(signal), descriptor, diffId, places: made, limits, signal },
        host,
      );
      // All of the file system at once: a sync for each of thousands of files would take minutes.
      await host.layerFiles.syncFileSystem(made.folder);
      await this.rename(made, this.places(folder));
      return { version: 1, folder, diskBytes, inodes, hasRecipe: true };
    } catch (thrown) {
      await this.clear(folder);
      this.namesTaken.delete(folder);
      throw thrown;
    } finally {
      await this.clear(`${folder}${temporaryMark}`);
    }
  }

  private async rename(from: LayerPlaces, to: LayerPlaces): Promise<void> {
    const { files, layerFiles } = this.parts.host;
    if ((await files.stat(from.displaced)) !== undefined) await files.rename(from.displaced, to.displaced);
    await files.rename(from.recipe, to.recipe);
    await files.rename(from.folder, to.folder);
    await layerFiles.syncFolder(this.parts.dir);
  }

  private async commit(key: string, record: LayerRecord): Promise<void> {
    await this.parts.records.put(key, record);
    this.known.set(key, record);
  }

  /** The unpacked layer is hardly ever smaller than the compressed one. */
  private async checkRoom({ digest, sizeBytes }: Descriptor): Promise<void> {
    const { bavail, bsize } = await fs.promises.statfs(this.parts.dir);
    if (bavail * bsize >= sizeBytes) return;
    throw new NodeletError(
      'exhausted',
      `layer ${digest} of ${sizeBytes} bytes doesn't fit on the disk of the image store`,
      {
        remedy: 'remove images that are not needed, or make room below rootDir',
      },
    );
  }

  private takeName(key: string): string {
    const hex = key.replace('sha256:', '');
    let chars = folderNameMinChars;
    while (this.namesTaken.has(hex.slice(0, chars))) chars += 1;
    const name = hex.slice(0, chars);
    this.namesTaken.add(name);
    return name;
  }
}
