import { isKind } from '../../base/errors.js';
import type { LayerArchives, LayerPlaces } from '../../ports/layer-archives.js';

/** What a closer look at a layer has shown. */
export type LayerVerdict =
  | { state: 'whole' }
  /** It is on the disk, but not as it was pulled. */
  | { state: 'damaged'; why: string }
  | { state: 'missing' }
  /** An older version of nodelet has unpacked it: there is nothing to compare it with. */
  | { state: 'unknown'; why: string };

export const noRecipe = {
  state: 'unknown',
  why: 'an older version of nodelet has unpacked it, without a recipe for its archive',
} as const;

/** Makes the layer's archive again and compares it with what its name says. */
export async function judgeLayer(
  { diffId, places }: { diffId: string; places: LayerPlaces },
  { layerArchives }: { layerArchives: LayerArchives },
  signal: AbortSignal,
): Promise<LayerVerdict> {
  try {
    const got = await layerArchives.digest(places, signal);
    return got === diffId ? { state: 'whole' } : { state: 'damaged', why: `its archive would be ${got}` };
  } catch (thrown) {
    if (isKind(thrown, 'corrupt')) return { state: 'damaged', why: thrown.message };
    throw thrown;
  }
}
