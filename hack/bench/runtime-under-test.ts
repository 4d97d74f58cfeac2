import type { PodShape } from './pod-cycle.js';

/** A runtime that answers on its socket and has the image of the benchmark. */
export interface RuntimeUnderTest {
  /** As tables show it. */
  name: string;
  version: string;
  daemonPid: number;
  shape: PodShape;
}
