import type { Duplex } from 'node:stream';
import { asNodeletError } from '../../base/errors.js';
import type { ForwardSession } from '../../ports/cri/streaming.js';

/** One forwarded connection: what the client sends and gets, and where it is told why it got nothing. */
export interface ForwardedConnection {
  port: number;
  data: Duplex;
  /** Tells the client a failure; called at most once. */
  fail: (message: string) => void;
}

/**
 * Joins a client to a port of the pod until both have ended, or one has gone. Only a port that can't be reached is told
 * as a failure: kubectl takes any for the end of all its connections, which a single one that broke is not.
 */
export async function forward(
  { port, data, fail }: ForwardedConnection,
  session: ForwardSession,
): Promise<void> {
  let pod: Duplex;
  try {
    pod = await session.connect(port);
  } catch (thrown) {
    fail(`port ${port} of the pod can't be reached: ${asNodeletError(thrown).describe()}`);
    return;
  }
  await new Promise<void>((resolve) => {
    pod.once('close', resolve);
    pod.on('error', () => data.destroy());
    data.once('close', () => pod.destroy());
    if (data.destroyed) return pod.destroy();
    pod.pipe(data);
    data.pipe(pod);
  });
}
