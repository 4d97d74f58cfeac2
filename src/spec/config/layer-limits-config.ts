import type { YAMLMap } from 'yaml';
import type { ConfigReader, Rule } from './config-reader.js';
import type { LayerLimitsConfig } from './node-config.js';

export const defaultLayerLimits: LayerLimitsConfig = {
  maxUnpackedBytes: 64 * 1024 ** 3,
  maxEntries: 2_000_000,
  maxRatio: 500,
};

const positive: Rule = (value) =>
  Number.isSafeInteger(value) && Number(value) > 0 ? undefined : 'must be a whole number above 0';
const rules: Record<keyof LayerLimitsConfig, Rule> = {
  maxUnpackedBytes: positive,
  maxEntries: positive,
  maxRatio: positive,
};

/** Reads `images.limits`; what isn't given has its default. */
export function readLayerLimits(reader: ConfigReader, map: YAMLMap): LayerLimitsConfig {
  return { ...defaultLayerLimits, ...reader.checked(map, ['images', 'limits'], rules) };
}
