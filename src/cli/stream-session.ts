import net from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { NodeletError } from '../base/errors.js';
import { channels, decodeFrame, encodeFrame, encodeSize } from '../cri/streaming/channels.js';
import { decodeOutcome } from '../cri/streaming/outcome.js';
import type { TerminalSize } from '../ports/interactive-processes.js';
import { connectionError, statusError, textOf } from './api-client.js';
import { DetachWatch } from './detach-keys.js';

/** Those of the remote command protocol's versions that tell the exit code. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

/** This side's ends of an exec or an attach. */
export interface SessionStreams {
  /** What the other side reads; undefined gives it none. */
  stdin: Readable | undefined;
  stdout: Writable;
  stderr: Writable;
  /** Keys in stdin that end the session from this side; none where empty. */
  detachKeys: Buffer;
  /** Calls `changed` with the size of the terminal now and at each change; returns the stop function. */
  followSize?: (changed: (size: TerminalSize) => void) => () => void;
}

/** How a session ended: as the other side told (0 for an attach), or by the keys that detach. */
export type SessionEnd = { exitCode: number } | 'detached';

/**
 * Runs one exec or attach over the daemon's API (Kubernetes' remote command protocol) and joins it to the given streams.
 * `path` is the subresource with its query. `unavailable` when the connection ends before the other side has told its end.
 */
export async function runSession(
  api: { socketPath: string; path: string },
  { stdin, stdout, stderr, detachKeys, followSize }: SessionStreams,
): Promise<SessionEnd> {
  const socket = await connect(api);
  const stops: (() => void)[] = [];
  const send = (frame: Buffer, done?: () => void): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(frame, () => done?.());
  };
  try {
    return await new Promise<SessionEnd>((resolve, reject) => {
      const blocked = new Set<Writable>();
      const write = (stream: Writable, data: Buffer): void => {
        if (data.length === 0 || stream.write(data) || blocked.has(stream)) return;
        blocked.add(stream);
        socket.pause();
        stream.once('drain', () => {
          blocked.delete(stream);
          if (blocked.size === 0) socket.resume();
        });
      };
      socket.on('message', (message: RawData) => {
        const { channel, data } = decodeFrame(message as Buffer) ?? { channel: -1, data: Buffer.alloc(0) };
        if (channel === channels.stdout) write(stdout, data);
        else if (channel === channels.stderr) write(stderr, data);
        else if (channel === channels.error && data.length > 0) settle(data);
      });
      socket.once('error', (error) => reject(connectionError(api.socketPath, error)));
      socket.once('close', () => {
        reject(
          new NodeletError('unavailable', 'the connection to the daemon ended before the session did', {
            remedy: 'see whether the daemon runs',
          }),
        );
      });
      function settle(outcome: Buffer): void {
        try {
          resolve({ exitCode: decodeOutcome(outcome) });
        } catch (thrown) {
          reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
        }
      }
      if (followSize !== undefined) stops.push(followSize((size) => send(encodeSize(size))));
      if (stdin !== undefined) {
        const watch = new DetachWatch(detachKeys);
        stops.push(feed(stdin, watch, { send, detach: () => resolve('detached') }));
      }
      socket.resume();
    });
  } finally {
    for (const stop of stops) stop();
    // One that is paused would not see the other side's answer to a close.
    socket.resume();
    socket.close();
  }
}

/** Sends what is read, no faster than the daemon takes it, and its end. */
function feed(
  stdin: Readable,
  watch: DetachWatch,
  { send, detach }: { send: (frame: Buffer, done?: () => void) => void; detach: () => void },
): () => void {
  const read = (chunk: Buffer): void => {
    const { passed, detached } = watch.take(chunk);
    if (detached) stdin.off('data', read);
    if (passed.length > 0) {
      stdin.pause();
      send(encodeFrame(channels.stdin, passed), () => (detached ? detach() : stdin.resume()));
    } else if (detached) detach();
  };
  const end = (): void => {
    const held = watch.rest();
    if (held.length > 0) send(encodeFrame(channels.stdin, held));
    send(encodeFrame(channels.close, Buffer.of(channels.stdin)));
  };
  // A terminal that has hung up can't be read: nothing more comes from it.
  stdin.on('data', read).once('end', end).once('error', end);
  return () => {
    stdin.off('data', read).off('end', end).off('error', end);
    stdin.pause();
  };
}

function connect({ socketPath, path }: { socketPath: string; path: string }): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://localhost${path}`, protocols, {
      createConnection: () => net.connect(socketPath),
      perMessageDeflate: false,
    });
    socket.once('open', () => {
      socket.off('error', failed);
      // What came along with the answer would be told before anybody listens.
      socket.pause();
      resolve(socket);
    });
    const failed = (error: Error): void => reject(connectionError(socketPath, error));
    socket.once('error', failed);
    socket.once('unexpected-response', (_request, response) => {
      textOf(response).then((text) => reject(statusError(response.statusCode ?? 500, text)), reject);
    });
  });
}
