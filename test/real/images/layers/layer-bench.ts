import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createLayerArchives } from '../../../../src/host/layers/layer-archives.js';
import type { LayerLimits, LayerPlaces, UnpackedArchive } from '../../../../src/ports/layer-archives.js';
import { defaultLayerLimits } from '../../../../src/spec/config/layer-limits-config.js';

/** One for all tests: its threads take a while to start. */
const archives = createLayerArchives();

/** A place where layers are unpacked by the real unpacker. */
export class LayerBench {
  readonly dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-layers-')));
  private count = 0;

  /** Parts of a layer that is not there yet but for its empty folder. */
  places(): LayerPlaces {
    const base = path.join(this.dir, `store-${(this.count += 1)}`);
    fs.mkdirSync(path.join(base, 'layer'), { recursive: true });
    return { folder: `${base}/layer`, recipe: `${base}/layer.recipe`, displaced: `${base}/layer.displaced` };
  }

  /** Unpacks bytes that come in pieces of a size. */
  async unpack(
    bytes: Buffer,
    options: { places?: LayerPlaces; limits?: Partial<LayerLimits>; pieceBytes?: number } = {},
  ): Promise<{ places: LayerPlaces; unpacked: UnpackedArchive }> {
    const { places = this.places(), limits, pieceBytes = 65_536 } = options;
    const unpacked = await archives.unpack({
      places,
      chunks: piecesOf(bytes, pieceBytes),
      limits: { ...defaultLayerLimits, ...limits },
      signal: new AbortController().signal,
    });
    return { places, unpacked };
  }

  /** The archive made again. */
  async pack(places: LayerPlaces): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of archives.pack(places, new AbortController().signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** The first piece of it only. */
  async first(places: LayerPlaces): Promise<Buffer> {
    for await (const chunk of archives.pack(places, new AbortController().signal)) return chunk;
    return Buffer.alloc(0);
  }

  digest(places: LayerPlaces): Promise<string> {
    return archives.digest(places, new AbortController().signal);
  }

  remove(): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

async function* piecesOf(bytes: Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
