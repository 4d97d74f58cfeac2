import { NodeletError } from '../../base/errors.js';
import type { Processes } from '../../ports/processes.js';

export interface Relabelling {
  /** Absolute host path without symlinks. */
  source: string;
  /** SELinux context for all of it. */
  label: string;
  /** Path of the mount in the request. */
  field: string;
}

/** Places whose labels the machine itself lives by; other runtimes spare them, too. */
const machinePlaces =
  /^\/(bin|boot|dev|etc|lib|lib32|lib64|proc|root|run|sbin|sys|tmp|usr|var)?$|^\/(usr|etc|boot|proc|sys)\//;
const timeoutMs = 10 * 60_000;

/**
 * Gives a volume the label of the container's files, so that SELinux lets the container have it: by chcon, in a process of its own,
 * since a volume may hold millions of files. A symlink is labelled itself, and never followed.
 */
export async function relabel(
  processes: Pick<Processes, 'run'>,
  { source, label, field }: Relabelling,
  signal?: AbortSignal,
): Promise<void> {
  const at = `${field}.selinux_relabel`;
  if (machinePlaces.test(source)) {
    throw new NodeletError('invalid', `${source} is the machine's own, whose programs need its labels`, {
      field: at,
      remedy: 'leave the field out, or mount another folder',
    });
  }
  const { exitCode, stderr } = await processes.run({
    argv: ['chcon', '--recursive', '--no-dereference', label, source],
    timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  if (exitCode === 0) return;
  const why = stderr.toString('utf8').trim().split('\n')[0] ?? '';
  throw new NodeletError('tool-failed', `${source} can't be labelled ${label}: ${why}`, {
    field: at,
    remedy: 'label it on the host, and leave the field out',
  });
}
