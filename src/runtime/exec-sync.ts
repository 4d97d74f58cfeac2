import type { CallContext } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import type { Files } from '../ports/files.js';
import type { Processes, RunResult } from '../ports/processes.js';
import type { OciSpec } from '../spec/oci-spec-types.js';
import type { ExecRequest } from './container-runner.js';
import { toolError } from './tool-error.js';

export interface ExecParts {
  files: Pick<Files, 'read' | 'writeAtomic' | 'removeTree'>;
  processes: Pick<Processes, 'run'>;
  /** The runtime with its global options. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Names this exec among those of its container. */
  key: string;
}

/**
 * Runs a command in a container as the container's own process runs: user, folder, environment, capabilities.
 * crun's command line would take the user and the folder from nowhere, so the process is handed over whole.
 */
export async function execSync(request: ExecRequest, parts: ExecParts, ctx: CallContext): Promise<RunResult> {
  const { files, processes } = parts;
  const spec = await files.read(`${request.bundle}/config.json`);
  if (spec === undefined) throw new NodeletError('corrupt', `the bundle of container ${request.id} is gone`);
  const { process } = JSON.parse(spec.toString('utf8')) as OciSpec;
  const [processFile, logFile] = ['json', 'log'].map(
    (kind) => `${request.bundle}/exec-${parts.key}.${kind}`,
  ) as [string, string];
  await files.writeAtomic(
    processFile,
    JSON.stringify({ ...process, args: request.cmd, terminal: false }),
    0o600,
  );
  try {
    const result = await processes.run({
      argv: [...parts.command, '--log', logFile, 'exec', '--process', processFile, request.id],
      env: parts.env,
      signal: ctx.signal,
      maxOutputBytes: request.maxOutputBytes,
      ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
    });
    // The runtime logs its own failures alone: without a line there, the exit code is the command's.
    const failure = result.exitCode === 0 ? undefined : await files.read(logFile);
    if (failure !== undefined && failure.length > 0) {
      const call = { handler: request.handler, verb: 'exec', commandField: 'cmd' };
      throw toolError(call, failure.toString('utf8'));
    }
    return result;
  } finally {
    await Promise.all([files.removeTree(processFile), files.removeTree(logFile)]);
  }
}
