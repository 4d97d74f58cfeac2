import { NodeletError } from '../base/errors.js';
import type { Files } from '../ports/files.js';
import type { OciSpec } from '../spec/oci-spec-types.js';
import type { RunnerTarget } from './container-runner.js';
import { toolError } from './tool-error.js';

export interface ExecCallParts {
  files: Pick<Files, 'read' | 'writeAtomic' | 'removeTree'>;
  /** The runtime with its global options. */
  command: readonly string[];
  /** Names this exec among those of its container. */
  key: string;
}

/** One exec by the OCI runtime, prepared. */
export interface ExecCall {
  argv: string[];
  /** Exit code of the command; throws instead when it is the runtime's own, which could not run it. */
  judge(exitCode: number): Promise<number>;
  /** Removes what the call needed. */
  cleanUp(): Promise<void>;
}

/**
 * Prepares to run a command in a container as the container's own process runs: user, folder, environment, capabilities.
 * crun's command line would take the user and the folder from nowhere, so the process is handed over whole.
 */
export async function prepareExec(
  { bundle, id, handler, cmd, terminal }: RunnerTarget & { cmd: readonly string[]; terminal: boolean },
  { files, command, key }: ExecCallParts,
): Promise<ExecCall> {
  const spec = await files.read(`${bundle}/config.json`);
  if (spec === undefined) throw new NodeletError('corrupt', `the bundle of container ${id} is gone`);
  const { process: first } = JSON.parse(spec.toString('utf8')) as OciSpec;
  const processFile = `${bundle}/exec-${key}.json`;
  const logFile = `${bundle}/exec-${key}.log`;
  const env = first.env.some((entry) => entry.startsWith('TERM=')) || !terminal ? [] : ['TERM=xterm'];
  await files.writeAtomic(
    processFile,
    JSON.stringify({ ...first, args: cmd, terminal, env: [...first.env, ...env] }),
    0o600,
  );
  return {
    argv: [...command, '--log', logFile, 'exec', '--process', processFile, id],
    judge: async (exitCode) => {
      // The runtime logs its own failures alone: without a line there, the exit code is the command's.
      const failure = exitCode === 0 ? undefined : await files.read(logFile);
      if (failure === undefined || failure.length === 0) return exitCode;
      throw toolError({ handler, verb: 'exec', commandField: 'cmd' }, failure.toString('utf8'));
    },
    cleanUp: async () => {
      await Promise.all([files.removeTree(processFile), files.removeTree(logFile)]);
    },
  };
}
