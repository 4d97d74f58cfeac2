import { dirname } from 'node:path';
import type { CallContext, Log } from '../base/call-context.js';
import { abortReason, throwIfGone } from '../base/call-context.js';
import { NodeletError, isKind } from '../base/errors.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import { logStamp } from '../base/log-stamp.js';
import { WakeUp } from '../base/wake-up.js';
import type { Host } from '../ports/host.js';
import type { ProcessIdentity } from '../ports/processes.js';
import { reopenCommand } from './conmon.js';
import type { RunnerTarget } from './container-runner.js';

export interface LogTarget extends RunnerTarget {
  /** Undefined where the container has no log: there is nothing to do then. */
  logPath: string | undefined;
  monitor: ProcessIdentity | undefined;
}

/** A target that has a log, and somebody who writes it. */
type Written = LogTarget & { logPath: string; monitor: ProcessIdentity };

/** A monitor that reads its commands does so within milliseconds. */
const takePatienceMs = 5_000;
/** How often, beside the watch on the folder, it is looked whether the monitor lives. */
const lookMs = 1_000;

/**
 * Lets a monitor go on in a new file at its log's path. conmon(8) syncs and closes the old file, makes `PATH.tmp`, empty, and
 * renames that over PATH. So it would destroy what is at PATH, and it ends itself when it can't make the file. Therefore:
 *
 *   - a file at PATH that the monitor is writing to stays, and nothing is asked: as with runtimes that reopen for appending;
 *   - any other file with something in it is moved aside first, under the name of a rotated log;
 *   - `PATH.tmp` is made here before the monitor is asked, so that a full disk or a missing folder fails the call alone;
 *   - a command that the monitor has not read is taken back when the caller gives up: obeyed later, it would destroy the log
 *     that the caller has moved back by then.
 */
export class LogReopener {
  private readonly turns = new KeyedQueue<string>();

  constructor(private readonly parts: Pick<Host, 'files' | 'processes' | 'clock'> & { log: Log }) {}

  /**
   * Resolves once the monitor writes to the file at the path. `wrong-state` where the container has no monitor any more,
   * `unavailable` where the monitor does not answer. Calls for one container take turns.
   */
  async reopen(target: LogTarget, { signal }: CallContext): Promise<void> {
    const { logPath, monitor } = target;
    if (logPath === undefined) return;
    if (monitor === undefined) throw noMonitor(target);
    // A caller that leaves does not end the turn: what the monitor has begun has to be over before it is asked again.
    const turn = this.turns.run(target.id, () => this.inTurn({ ...target, logPath, monitor }, signal));
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => reject(abortReason(signal));
      signal.addEventListener('abort', leave, { once: true });
      void turn.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  private async inTurn(target: Written, signal: AbortSignal): Promise<void> {
    throwIfGone({ signal });
    const { files, processes } = this.parts;
    const { bundle, logPath, monitor } = target;
    const temporary = `${logPath}.tmp`;
    // What an earlier run of the agent asked for, and died.
    await this.takeBack(bundle);
    if (await processes.hasOpen(monitor, logPath)) return;
    await this.clear(target);
    await files.writeAtomic(temporary, '', 0o600).catch((thrown: unknown) => {
      throw cannotMake(logPath, thrown);
    });
    const news = new WakeUp();
    const unwatch = files.watch(dirname(logPath), news.ring);
    try {
      if (await this.ask(bundle)) {
        if (await this.isWritten(target, news, { patienceMs: takePatienceMs, signal })) return;
        if (!(await this.takeBack(bundle))) {
          // It has begun, and may be held up by the disk for long: only its end can make it fail.
          if (await this.isWritten(target, news, { patienceMs: Infinity })) return;
        } else if (this.lives(monitor)) {
          await files.removeTree(temporary);
          throwIfGone({ signal });
          throw notRead(monitor);
        }
      }
      await files.removeTree(temporary);
      throw noMonitor(target);
    } finally {
      unwatch();
    }
  }

  /** Frees the path of what the monitor does not write to. */
  private async clear({ id, logPath }: Written): Promise<void> {
    const { files, clock, log } = this.parts;
    const there = await files.stat(logPath);
    if (there === undefined) return;
    if (there.kind !== 'file')
      throw new NodeletError('wrong-state', `there is no file at ${logPath}, but a ${there.kind}`, {
        field: 'container_id',
        remedy: 'remove it',
      });
    if (there.sizeBytes === 0) return files.removeTree(logPath);
    // Left where it is, it would be destroyed: a name that is taken is no reason to go on.
    for (let ms = Number(clock.nowNs() / 1_000_000n); (await files.stat(logPath)) !== undefined; ms += 1) {
      const aside = `${logPath}.${logStamp(ms)}`;
      if (!(await files.renameIfFree(logPath, aside))) continue;
      return log.warn({ container: id, aside }, 'another file was in the place of a log; it was moved aside');
    }
  }

  /** False where nobody reads the monitor's pipe. */
  private async ask(bundle: string): Promise<boolean> {
    try {
      await this.parts.files.writeToFifo(`${bundle}/ctl`, reopenCommand);
      return true;
    } catch (thrown) {
      if (isKind(thrown, 'wrong-state')) return false;
      throw thrown;
    }
  }

  /** Takes unread commands out of the monitor's pipe; true where one to reopen was among them. Others are put back. */
  private async takeBack(bundle: string): Promise<boolean> {
    const { files } = this.parts;
    const unread = await files.takeFromFifo(`${bundle}/ctl`);
    const others = unread.replaceAll(reopenCommand, '');
    // Where nobody reads any more, they are of no use to anybody.
    if (others !== '') await files.writeToFifo(`${bundle}/ctl`, others).catch(() => undefined);
    return others.length < unread.length;
  }

  private lives({ pid, startTicks }: ProcessIdentity): boolean {
    return this.parts.processes.identify(pid)?.startTicks === startTicks;
  }

  /** Whether the monitor has made the log anew, within the time; false, too, as soon as the monitor has gone without it. */
  private async isWritten(
    { logPath, monitor }: Written,
    news: WakeUp,
    { patienceMs, signal }: { patienceMs: number; signal?: AbortSignal },
  ): Promise<boolean> {
    const { files, clock } = this.parts;
    const isThere = async (): Promise<boolean> => (await files.stat(logPath)) !== undefined;
    const endMs = clock.monotonicMs() + patienceMs;
    for (;;) {
      if (await isThere()) return true;
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs <= 0 || signal?.aborted === true) return false;
      // A monitor that made the file and ended in between has done what it was asked for.
      if (!this.lives(monitor)) return isThere();
      await news.wait(clock, Math.min(leftMs, lookMs), signal);
    }
  }
}

function notRead({ pid }: ProcessIdentity): NodeletError {
  return new NodeletError('unavailable', 'the monitor of the container does not read its commands', {
    field: 'container_id',
    remedy: `see whether process ${pid} is stopped, or waits for a client that is attached and does not read`,
  });
}

function cannotMake(logPath: string, thrown: unknown): NodeletError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new NodeletError('unavailable', `no new log file can be made at ${logPath}: ${why}`, {
    field: 'container_id',
    remedy: 'the log goes on in its present file; make room on its file system, or mend it',
    cause: thrown,
  });
}

function noMonitor({ id, monitor }: LogTarget, cause?: unknown): NodeletError {
  const who = monitor === undefined ? '' : ` (process ${monitor.pid})`;
  return new NodeletError(
    'wrong-state',
    `container ${id} has no monitor${who} that writes its log any more`,
    {
      field: 'container_id',
      remedy: 'it ends, or its monitor was killed: what it has printed up to then is in the log',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
