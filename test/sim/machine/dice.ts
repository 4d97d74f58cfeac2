import type { Random } from '../../../src/ports/random.js';

/** Chance from a seed (the generator is mulberry32): the same seed, the same throws, on every machine. */
export class Dice implements Random {
  constructor(private state: number) {}

  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  hex(count: number): string {
    return Array.from({ length: count }, () => this.below(256).toString(16).padStart(2, '0')).join('');
  }
}
