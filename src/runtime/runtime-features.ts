import { isAtLeast } from '../base/version-order.js';
import type { RunResult } from '../ports/processes.js';

/** What an OCI runtime can do beyond runtime-spec 1.0, as far as requests depend on it. */
export interface RuntimeFeatures {
  /** The mount option `rro`, by which a whole tree of mounts is read-only. */
  recursiveReadOnly: boolean;
}

export const noFeatures: RuntimeFeatures = { recursiveReadOnly: false };

/** The first crun that was seen to know `rro`; its `features` came later. */
const crunWithRro = '1.8.1';
/** mount_setattr(2), which `rro` is made of. */
const linuxWithRro = '5.12';

/**
 * Asks a runtime what it can: by `features` (runtime-spec features.md), and by its version where it is a crun that doesn't have
 * that command yet. `run` starts it with the words given. A runtime that tells neither counts as one that can't: an option that it
 * doesn't know, it might drop silently.
 */
export async function readRuntimeFeatures(
  run: (words: string[]) => Promise<RunResult>,
  kernelRelease: string,
): Promise<RuntimeFeatures> {
  if (!isAtLeast(kernelRelease, linuxWithRro)) return noFeatures;
  const features = await run(['features']);
  if (features.exitCode === 0) {
    const told = JSON.parse(features.stdout.toString('utf8')) as { mountOptions?: string[] };
    return { recursiveReadOnly: told.mountOptions?.includes('rro') ?? false };
  }
  const { stdout } = await run(['--version']);
  const crun = /^crun version (\S+)/.exec(stdout.toString('utf8'))?.[1];
  return { recursiveReadOnly: crun !== undefined && isAtLeast(crun, crunWithRro) };
}
