import { parentPort } from 'node:worker_threads';
import { NodeletError, asNodeletError } from '../../base/errors.js';
import type { Answer, Order } from './worker-messages.js';
import { packJob } from './pack-job.js';
import { unpackJob } from './unpack-job.js';

/** The thread's own side: one job after the other, each without a pause. */
parentPort?.on('message', ({ job, given }: Order) => {
  const flag = new Int32Array(given);
  const checkWanted = (): void => {
    if (Atomics.load(flag, 0) !== 0) throw new NodeletError('canceled', 'nobody wants the layer any more');
  };
  parentPort?.postMessage(
    answerTo(() => (job.kind === 'unpack' ? unpackJob(job, checkWanted) : packJob(job, checkWanted))),
  );
});

function answerTo(work: () => unknown): Answer {
  try {
    return { ok: true, value: work() };
  } catch (thrown) {
    const { kind, message, field, remedy } = asFailure(thrown);
    return { ok: false, kind, message, field, remedy };
  }
}

/** Node's own file calls fail with a code. */
function asFailure(thrown: unknown): NodeletError {
  if (thrown instanceof NodeletError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new NodeletError('exhausted', 'the disk of the image store is full', {
      remedy: 'remove images that are not needed, or make room below rootDir',
    });
  }
  if (code === 'EPIPE') return new NodeletError('canceled', 'nobody takes the archive any more');
  if (code === 'ENOENT') return new NodeletError('corrupt', `a part of the layer is lost: ${message}`);
  if (code !== undefined && code.startsWith('E') && !code.startsWith('ERR_')) {
    return new NodeletError('tool-failed', `the image store can't be used: ${message}`, {
      remedy: 'check the disk that holds rootDir',
    });
  }
  return asNodeletError(thrown);
}
