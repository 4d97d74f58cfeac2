/** Randomness: ids and jitter. The simulation seeds it. */
export interface Random {
  /** `count` random bytes as lower-case hex (2 characters a byte). */
  hex(count: number): string;
  /** A number in [0, 1). */
  fraction(): number;
}
