import type { CallContext } from '../base/call-context.js';
import { NodeletError, isKind } from '../base/errors.js';
import type { Host } from '../ports/host.js';
import type { InteractiveProcess } from '../ports/interactive-processes.js';
import type { RunResult } from '../ports/processes.js';
import type { ExecRequest, InteractiveExec } from './container-runner.js';
import type { ExecCallParts } from './exec-call.js';
import { prepareExec } from './exec-call.js';

export interface ExecParts extends ExecCallParts {
  host: Pick<Host, 'processes' | 'interactive'>;
  env: Readonly<Record<string, string>>;
}

/** Runs a command to its end and gives all of its output. */
export async function execSync(request: ExecRequest, parts: ExecParts, ctx: CallContext): Promise<RunResult> {
  const call = await prepareExec({ ...request, terminal: false }, parts);
  try {
    const result = await parts.host.processes.run({
      argv: call.argv,
      name: 'the command',
      env: parts.env,
      signal: ctx.signal,
      maxOutputBytes: request.maxOutputBytes,
      ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
    });
    await call.judge(result.exitCode);
    if (result.stdout.length + result.stderr.length > request.maxOutputBytes) throw tooMuch(request);
    return result;
  } catch (thrown) {
    if (ctx.signal.aborted) throw thrown;
    if (isKind(thrown, 'exhausted')) throw tooMuch(request);
    if (!isKind(thrown, 'deadline')) throw thrown;
    throw new NodeletError('deadline', thrown.message, { field: 'timeout', cause: thrown });
  } finally {
    await call.cleanUp();
  }
}

function tooMuch({ maxOutputBytes }: ExecRequest): NodeletError {
  return new NodeletError('exhausted', `the command printed more than ${maxOutputBytes} bytes`, {
    field: 'cmd',
    remedy: 'run it by Exec, which streams its output',
  });
}

/** Starts a command whose streams are live; `exited` rejects when the runtime could not run it. */
export async function execInteractive(
  { terminal, stdin, ...request }: InteractiveExec,
  parts: ExecParts,
): Promise<InteractiveProcess> {
  const call = await prepareExec({ ...request, terminal: terminal !== undefined }, parts);
  try {
    const process = await parts.host.interactive.start({
      argv: call.argv,
      env: parts.env,
      stdin,
      // The container has the terminal that its programs see; this one only carries it to the runtime.
      ...(terminal === undefined ? {} : { terminal: { ...terminal, relay: true } }),
    });
    const exited = process.exited.then((exitCode) => call.judge(exitCode)).finally(() => call.cleanUp());
    return { ...process, exited };
  } catch (thrown) {
    await call.cleanUp();
    throw thrown;
  }
}
