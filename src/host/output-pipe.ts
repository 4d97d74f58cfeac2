import net from 'node:net';

/** What comes out of a pipe until its writers close it or nobody wants more. */
export interface PipeReading {
  /** Resolves when the pipe has ended or was stopped. */
  done: Promise<void>;
  /** Closes the reading end, whoever still has the other one. */
  stop: () => void;
}

/** Hands over each piece of a pipe as it comes; the descriptor is closed at the end. */
export function readPipe(fd: number, piece: (bytes: Buffer) => void): PipeReading {
  const pipe = new net.Socket({ fd, readable: true, writable: false });
  pipe.on('data', piece);
  pipe.on('error', () => pipe.destroy());
  return {
    done: new Promise((resolve) => pipe.on('close', () => resolve())),
    stop: () => pipe.destroy(),
  };
}

/** What a program wrote is in the pipe when it ends; who holds the pipe longer is a descendant that it has left. */
const drainMs = 100;

/** Reads what is still in the pipes, and no longer. */
export async function drain(pipes: readonly PipeReading[]): Promise<void> {
  // The pipes are read once more between the timer and what it starts, however late the timer was.
  const timer = setTimeout(() => setImmediate(() => pipes.forEach((pipe) => pipe.stop())), drainMs);
  await Promise.all(pipes.map(({ done }) => done));
  clearTimeout(timer);
}
