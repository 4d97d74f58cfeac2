import { NodeletError } from '../../../src/base/errors.js';
import type { Processes, RunOptions } from '../../../src/ports/processes.js';
import type { ToolOutcome } from '../machine/machine.js';
import type { SimProcess } from '../machine/process-table.js';
import type { Session } from './session.js';

const defaultOutputBytes = 1024 * 1024;
const sigkill = 9;

export function simProcesses(session: Session): Processes {
  const { machine } = session;
  const { processes, clock } = machine;
  return {
    run: (options) => {
      if (options.signal?.aborted === true) return Promise.reject(reasonOf(options.signal));
      const detail = options.argv.slice(1).join(' ');
      return session.effect(`processes.run ${options.argv[0] ?? ''}`, detail, async (cut) => {
        const outcome = machine.runTool({ argv: options.argv, cut });
        return finish(outcome, options);
      });
    },
    startMonitor: ({ argv, signal }) => {
      if (signal?.aborted === true) return Promise.reject(reasonOf(signal));
      return session.effect('processes.startMonitor', argv.join(' '), (cut) =>
        machine.startMonitor({ argv, cut }),
      );
    },
    sealed: async (program) => program,
    identify: (pid) => {
      const process = processes.get(pid);
      return process === undefined ? undefined : { pid, startTicks: process.startTicks };
    },
    hasOpen: (process, path) =>
      session.effect('processes.hasOpen', path, () => {
        const open = processes.is(process) ? processes.get(process.pid)?.open : undefined;
        return open !== undefined && open === machine.files.find(path);
      }),
    kill: (process, signal) =>
      session.effectNow('processes.kill', `${process.pid} ${signal}`, () => {
        if (!processes.is(process)) return false;
        // A signal is delivered when the process next runs, not while kill(2) does.
        clock.after(1, () => processes.signal(process, signal));
        return true;
      }) ?? false,
    moveOomScore: (pid, change) =>
      session.effectNow('processes.moveOomScore', `${pid} ${change.to}`, () =>
        processes.moveOomScore(pid, change),
      ) ?? false,
    killTree: (process) =>
      session.effect('processes.killTree', `${process.pid}`, () => {
        if (processes.is(process)) processes.signal(process, sigkill);
      }),
    waitGone: (process, timeoutMs, signal) =>
      session.effect('processes.waitGone', `${process.pid}`, () => {
        const found = processes.get(process.pid);
        if (found === undefined || !processes.is(process)) return true;
        const late = () => false;
        return Promise.race([found.ended.then(() => true), clock.sleep(timeoutMs, signal).then(late, late)]);
      }),
    list: () =>
      session.effect('processes.list', '', () =>
        processes
          .all()
          .map(({ pid, startTicks, argv }) => ({ identity: { pid, startTicks }, argv: [...argv] })),
      ),
  };

  /** Waits for what the tool still runs, within the caller's limits. */
  async function finish(outcome: ToolOutcome, options: RunOptions) {
    const { timeoutMs, signal, maxOutputBytes = defaultOutputBytes } = options;
    const exitCode = await endOf(outcome, { timeoutMs, signal, program: options.argv[0] ?? '' });
    if (Math.max(outcome.stdout.length, outcome.stderr.length) > maxOutputBytes) {
      throw new NodeletError('exhausted', `${options.argv[0]} printed more than ${maxOutputBytes} bytes`);
    }
    const hidden = options.detachedOutput === true;
    const [stdout, stderr] = [outcome.stdout, outcome.stderr].map((text) => Buffer.from(hidden ? '' : text));
    return { exitCode, stdout: stdout ?? Buffer.alloc(0), stderr: stderr ?? Buffer.alloc(0) };
  }

  async function endOf(
    { process, exitCode }: ToolOutcome,
    limits: { timeoutMs: number | undefined; signal: AbortSignal | undefined; program: string },
  ): Promise<number> {
    if (process === undefined) return exitCode;
    const { timeoutMs, signal, program } = limits;
    const cancels: (() => void)[] = [];
    const cut = new Promise<never>((_, reject) => {
      const end = (reason: Error) => {
        reject(reason);
        processes.signal(process satisfies SimProcess, sigkill);
      };
      if (timeoutMs !== undefined) {
        const late = new NodeletError('deadline', `${program} took longer than ${timeoutMs} ms`);
        cancels.push(clock.after(timeoutMs, () => end(late)));
      }
      const aborted = () => end(reasonOf(signal));
      signal?.addEventListener('abort', aborted, { once: true });
      cancels.push(() => signal?.removeEventListener('abort', aborted));
    });
    try {
      return await Promise.race([process.ended, cut]);
    } finally {
      for (const cancel of cancels) cancel();
    }
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new NodeletError('canceled', 'the caller has gone away');
}
