/**
 * How fast-check looks for counterexamples: the same ones each time, so that a run says the same twice.
 * `NODELET_SEED=17` looks elsewhere, `NODELET_RUNS=1000` longer. It does not shrink: a run costs a container.
 */
export function randomRuns(numRuns: number) {
  const { NODELET_SEED: seed = '1', NODELET_RUNS: runs = `${numRuns}` } = process.env;
  return { numRuns: Number(runs), seed: Number(seed), endOnFailure: true };
}
