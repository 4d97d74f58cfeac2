import { Worker } from 'node:worker_threads';
import { NodeletError } from '../../base/errors.js';
import type { Answer, Order } from './worker-messages.js';

/** A thread costs some milliseconds to start and some megabytes to keep. */
const idleMs = 5_000;

/** Threads for jobs that block: each has one at a time, and ends when it has had none for a while. */
export class LayerWorkers {
  private readonly idle: { worker: Worker; timer: NodeJS.Timeout }[] = [];

  /** Resolves with what the job gives; an error of the job has its kind. */
  async run(job: Order['job'], given: SharedArrayBuffer): Promise<unknown> {
    const worker = this.take();
    const answer = await new Promise<Answer>((resolve, reject) => {
      const failed = (why: unknown): void =>
        reject(new NodeletError('bug', 'a thread for layers has failed', { cause: why }));
      worker.once('error', failed);
      worker.once('exit', failed);
      worker.once('message', (message: Answer) => {
        worker.off('error', failed);
        worker.off('exit', failed);
        resolve(message);
      });
      worker.postMessage({ job, given } satisfies Order);
    });
    this.give(worker);
    if (answer.ok) return answer.value;
    const { kind, message, field, remedy } = answer;
    throw new NodeletError(kind, message, {
      ...(field !== undefined && { field }),
      ...(remedy !== undefined && { remedy }),
    });
  }

  private take(): Worker {
    const waiting = this.idle.pop();
    if (waiting === undefined) {
      // What a thread opens it closes, partly by system calls that Node doesn't see: it must not close the same numbers once more.
      return new Worker(new URL('./layer-worker.js', import.meta.url), {
        trackUnmanagedFds: false,
        // Headers are short-lived: with more room for them, collecting takes a tenth less of the time.
        resourceLimits: { maxYoungGenerationSizeMb: 16 },
      });
    }
    clearTimeout(waiting.timer);
    waiting.worker.ref();
    return waiting.worker;
  }

  private give(worker: Worker): void {
    worker.unref();
    const timer = setTimeout(() => {
      const at = this.idle.findIndex((entry) => entry.worker === worker);
      if (at >= 0) this.idle.splice(at, 1);
      void worker.terminate();
    }, idleMs);
    timer.unref();
    this.idle.push({ worker, timer });
  }
}
