import type { CallContext } from '../base/call-context.js';
import { NodeletError, isKind } from '../base/errors.js';
import type { Processes, RunResult } from '../ports/processes.js';
import type { RunnerTarget } from './container-runner.js';
import { toolError } from './tool-error.js';

export interface CheckpointRequest extends RunnerTarget {
  /** Existing folders, for CRIU's images and for its log. */
  imagesDir: string;
  workDir: string;
  timeoutMs: number;
}

export interface CheckpointParts {
  processes: Pick<Processes, 'run'>;
  /** The runtime with its global options. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
}

const askTimeoutMs = 30_000;

/** Refuses by what is missing: support in the OCI runtime, CRIU, or a CRIU that works on this kernel. */
export async function requireCheckpoints(
  handler: string,
  { processes, command, env }: CheckpointParts,
): Promise<void> {
  const ask = (argv: string[]) =>
    processes.run({ argv, env, timeoutMs: askTimeoutMs }).catch((thrown: unknown) => {
      if (isKind(thrown, 'tool-failed')) return undefined;
      throw thrown;
    });
  const runtime = await ask([command[0] ?? '', '--version']);
  const version = runtime?.stdout.toString('utf8') ?? '';
  // crun lists what it was built with; runc always can.
  if (/^crun version/m.test(version) && !version.includes('+CRIU')) {
    throw new NodeletError('unsupported', `${handler} was built without CRIU, so it makes no checkpoints`, {
      field: 'container_id',
      remedy: 'run the pod with a runtime handler that has it, such as runc or a crun built with libcriu',
    });
  }
  const check = await ask(['criu', 'check']);
  if (check === undefined) {
    throw new NodeletError('unsupported', 'CRIU is not installed on this node', { remedy: 'install criu' });
  }
  if (check.exitCode === 0) return;
  const criu = await ask(['criu', '--version']);
  throw new NodeletError(
    'unsupported',
    `CRIU ${criuVersion(criu)} does not work on this kernel: ${criuComplaint(check)}`,
    { remedy: 'install a CRIU made for this kernel; "criu check" tells whether it works' },
  );
}

/** Writes the state of a container's processes as CRIU's images; they go on running. */
export async function checkpoint(
  { id, handler, imagesDir, workDir, timeoutMs }: CheckpointRequest,
  { processes, command, env }: CheckpointParts,
  ctx: CallContext,
): Promise<void> {
  const options = ['--image-path', imagesDir, '--work-path', workDir, '--leave-running'];
  const result = await processes
    .run({
      argv: [...command, 'checkpoint', ...options, '--tcp-established', '--file-locks', id],
      name: handler,
      env,
      timeoutMs,
      signal: ctx.signal,
    })
    .catch((thrown: unknown) => {
      if (ctx.signal.aborted || !isKind(thrown, 'deadline')) throw thrown;
      throw new NodeletError('deadline', thrown.message, { field: 'timeout', cause: thrown });
    });
  if (result.exitCode === 0) return;
  throw toolError(
    { handler, verb: 'checkpoint', commandField: 'container_id' },
    result.stderr.toString('utf8'),
  );
}

const criuVersion = (asked: RunResult | undefined): string =>
  /Version: (\S+)/.exec(asked?.stdout.toString('utf8') ?? '')?.[1] ?? 'of an unknown version';

/** CRIU's first error, of which the others follow: `Error (criu/vdso.c:381): vdso: Unexpected rt vDSO area bounds`. */
function criuComplaint({ stdout, stderr, exitCode }: RunResult): string {
  const said = `${stderr.toString('utf8')}\n${stdout.toString('utf8')}`;
  const first = /^Error \([^)]*\): (.*)$/m.exec(said)?.[1];
  return first ?? said.trim().split('\n').at(-1) ?? `exit code ${exitCode}`;
}
