import type { ImageRecord } from './image-catalog.js';
import type { JsonObject } from './json-part.js';
import { JsonPart, parseJson } from './json-part.js';

/** One step of an image's making, image-spec config.md `history`. */
export interface HistoryStep {
  /** RFC 3339; empty where the image doesn't say. */
  created: string;
  createdBy: string;
  comment: string;
  /** What its layer takes on the disk; 0 for a step that made none. */
  sizeBytes: number;
  /** Key of its layer in the store. */
  layer: string | undefined;
}

/**
 * Steps of an image, the newest first. `config` is its config as it came; without one, and where that tells of too few steps, a
 * layer is all that is known of its step.
 */
export function imageHistory(
  { layers }: Pick<ImageRecord, 'layers'>,
  config: Buffer | undefined,
  layerBytes: (layer: string) => number,
): HistoryStep[] {
  const top = config && new JsonPart('config', parseJson(config, 'config')).asObject();
  const told = top?.has('history') === true ? top.list('history').map((part) => part.asObject()) : [];
  const bottomUp = layers.toReversed();
  const withLayer = (step: JsonObject | undefined, layer: string | undefined): HistoryStep => ({
    created: step?.textOr('created', '') ?? '',
    createdBy: step?.textOr('created_by', '') ?? '',
    comment: step?.textOr('comment', '') ?? '',
    sizeBytes: layer === undefined ? 0 : layerBytes(layer),
    layer,
  });
  const steps = told.map((step) =>
    withLayer(step, step.flagOr('empty_layer', false) ? undefined : bottomUp.shift()),
  );
  return [...steps, ...bottomUp.map((layer) => withLayer(undefined, layer))].toReversed();
}
