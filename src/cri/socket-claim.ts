import fs from 'node:fs/promises';
import net from 'node:net';
import { NodeletError } from '../base/errors.js';

/**
 * Makes `socketPath` free to bind: a socket file that nobody listens on is left over from a crash and is
 * removed; a live one, or a file that isn't a socket, is somebody else's and is refused.
 */
export async function claimSocketPath(socketPath: string): Promise<void> {
  const stat = await fs.lstat(socketPath).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw cannotServe(socketPath, error.message, error);
  });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw cannotServe(socketPath, 'a file that is not a socket is in the way');
  if (await answers(socketPath)) {
    throw new NodeletError('exists', `another process already listens on ${socketPath}`, {
      remedy: 'stop it or choose another socket path',
    });
  }
  await fs.rm(socketPath, { force: true });
}

/** Binds `server` so that the socket file has mode 0660 from its first moment. */
export function listenOn(server: net.Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(cannotServe(socketPath, error.message, error));
    server.once('error', failed);
    // Node binds a Unix socket before listen() returns, so the mask is never seen by other work.
    const previous = process.umask(0o117);
    try {
      server.listen({ path: socketPath, backlog: 511 }, () => {
        server.off('error', failed);
        resolve();
      });
    } finally {
      process.umask(previous);
    }
  });
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = net.connect(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      // A full backlog means somebody is there, only busy.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(cannotServe(socketPath, error.message, error));
    });
  });
}

function cannotServe(socketPath: string, why: string, cause?: unknown): NodeletError {
  return new NodeletError('unavailable', `cannot serve on ${socketPath}: ${why}`, {
    remedy: 'check the path and its directory, or choose another socket path',
    ...(cause !== undefined && { cause }),
  });
}
