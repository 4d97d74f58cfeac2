import { NodeletError } from '../base/errors.js';
import { bind } from './libc.js';
import type { Child } from './posix-spawn.js';

const waitpid = bind<(pid: number, status: number[], options: number) => number>(
  'int waitpid(int pid, _Out_ int *status, int options)',
);
const noHang = 1;
const heartbeatMs = 1_000;

/** An exit code, or why there is none. */
type Result = number | NodeletError;

/** The ends of children of ours that posix_spawn started: looked for on each SIGCHLD, without polling. */
export class ChildReaper {
  private readonly awaited = new Map<number, (result: Result) => void>();
  private heartbeat: NodeJS.Timeout | undefined;
  private readonly look = () => {
    for (const [pid, ended] of this.awaited) {
      const result = reap(pid);
      if (result === undefined) continue;
      this.awaited.delete(pid);
      ended(result);
    }
    if (this.awaited.size > 0) return;
    process.off('SIGCHLD', this.look);
    clearInterval(this.heartbeat);
  };

  /** Resolves with the exit code once the child has ended, 128+N when signal N ended it. To be called once per child. */
  ended(child: Child): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.awaited.size === 0) {
        process.on('SIGCHLD', this.look);
        // A signal handler alone does not keep Node's event loop going.
        this.heartbeat = setInterval(this.look, heartbeatMs);
      }
      this.awaited.set(child.pid, (result) => {
        child.reaped = true;
        if (typeof result === 'number') resolve(result);
        else reject(result);
      });
      // It may have ended before anybody listened.
      this.look();
    });
  }
}

function reap(pid: number): Result | undefined {
  const status = [0];
  const found = waitpid(pid, status, noHang);
  if (found === 0) return undefined;
  if (found < 0) return new NodeletError('bug', `process ${pid} was waited for by somebody else`);
  const raw = status[0] ?? 0;
  const signal = raw & 0x7f;
  return signal === 0 ? (raw >> 8) & 0xff : 128 + signal;
}
