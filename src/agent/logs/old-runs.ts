import type { Files } from '../../ports/files.js';

/** The run that a file in a container's log folder belongs to: `3.log`, and all that it was rotated to. */
const runOf = (name: string): number | undefined => {
  const digits = /^(\d+)\.log(?:\.|$)/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
};

/**
 * Removes the logs of a container's runs before the previous one, with all their rotated files. Those of `kept`, which the
 * runtime still has, stay, and of the others the last: after the pod's sandbox was made anew, that is the previous run.
 */
export async function removeOldRuns(files: Files, folder: string, kept: readonly number[]): Promise<void> {
  const names = await files.list(folder);
  const runs = [...new Set(names.flatMap((name) => runOf(name) ?? []))].sort((a, b) => a - b);
  const staying = new Set([...kept, runs.at(-1)]);
  for (const name of names) {
    const run = runOf(name);
    if (run !== undefined && !staying.has(run)) await files.removeTree(`${folder}/${name}`);
  }
}
