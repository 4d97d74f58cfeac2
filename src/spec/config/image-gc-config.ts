import type { YAMLMap } from 'yaml';
import type { ConfigReader, Rule } from './config-reader.js';
import type { ImageGcConfig } from './node-config.js';

/** A kubelet's. */
export const defaultImageGc: ImageGcConfig = {
  highThresholdPercent: 85,
  lowThresholdPercent: 80,
  minimumAgeMs: 120_000,
  periodMs: 300_000,
};

const whole =
  ({ least, most }: { least: number; most: number }): Rule =>
  (value) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most
      ? undefined
      : `must be a whole number, ${least} to ${most}`;
const dayMs = 86_400_000;
const rules: Record<keyof ImageGcConfig, Rule> = {
  highThresholdPercent: whole({ least: 1, most: 100 }),
  lowThresholdPercent: whole({ least: 0, most: 100 }),
  minimumAgeMs: whole({ least: 0, most: 365 * dayMs }),
  periodMs: whole({ least: 1_000, most: dayMs }),
};

/** Reads `images.gc`; what isn't given has its default. */
export function readImageGc(reader: ConfigReader, map: YAMLMap): ImageGcConfig {
  const path = ['images', 'gc'];
  const config = { ...defaultImageGc, ...reader.checked(map, path, rules) };
  if (config.lowThresholdPercent >= config.highThresholdPercent) {
    const field = [...path, 'lowThresholdPercent'];
    reader.fail(field, `must be below highThresholdPercent, ${config.highThresholdPercent}`, map);
  }
  return config;
}
