import { randomBytes, randomInt } from 'node:crypto';
import type { Random } from '../ports/random.js';

const fractionSteps = 2 ** 40;

/** The kernel's randomness. */
export function createRandom(): Random {
  return {
    hex: (count) => randomBytes(count).toString('hex'),
    fraction: () => randomInt(fractionSteps) / fractionSteps,
  };
}
