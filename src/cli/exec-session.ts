import net from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import { NodeletError } from '../base/errors.js';
import { channels, decodeFrame, encodeFrame, encodeSize } from '../cri/streaming/channels.js';
import { decodeOutcome } from '../cri/streaming/outcome.js';
import type { TerminalSize } from '../ports/interactive-processes.js';
import { connectionError, statusError, textOf } from './api-client.js';

/** Those of the remote command protocol's versions that tell the exit code. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

export interface ExecStreams {
  /** What the command reads; undefined gives it none. */
  stdin: Readable | undefined;
  stdout: Writable;
  stderr: Writable;
  /** Calls `changed` with the size of the terminal now and at each change; returns the stop function. */
  followSize?: (changed: (size: TerminalSize) => void) => () => void;
}

/**
 * Runs one exec over the daemon's API (Kubernetes' remote command protocol) and joins it to the given streams; resolves
 * with the command's exit code. `path` is the exec subresource with its query.
 */
export async function runExec(
  api: { socketPath: string; path: string },
  { stdin, stdout, stderr, followSize }: ExecStreams,
): Promise<number> {
  const socket = await connect(api);
  const stops: (() => void)[] = [];
  const send = (frame: Buffer, done?: () => void): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(frame, () => done?.());
  };
  try {
    return await new Promise<number>((resolve, reject) => {
      const write = (stream: Writable, data: Buffer): void => {
        if (data.length === 0 || stream.write(data)) return;
        socket.pause();
        stream.once('drain', () => socket.resume());
      };
      socket.on('message', (message: RawData) => {
        const { channel, data } = decodeFrame(message as Buffer) ?? { channel: -1, data: Buffer.alloc(0) };
        if (channel === channels.stdout) write(stdout, data);
        else if (channel === channels.stderr) write(stderr, data);
        else if (channel === channels.error && data.length > 0) settle(() => resolve(decodeOutcome(data)));
      });
      socket.once('error', (error) => reject(connectionError(api.socketPath, error)));
      socket.once('close', () => {
        reject(new NodeletError('unavailable', 'the connection to the daemon ended before the command did'));
      });
      function settle(work: () => void): void {
        try {
          work();
        } catch (thrown) {
          reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
        }
      }
      if (followSize !== undefined) stops.push(followSize((size) => send(encodeSize(size))));
      if (stdin !== undefined) stops.push(feed(stdin, send));
    });
  } finally {
    for (const stop of stops) stop();
    socket.close();
  }
}

/** Sends what is read, no faster than the daemon takes it, and its end. */
function feed(stdin: Readable, send: (frame: Buffer, done?: () => void) => void): () => void {
  const read = (chunk: Buffer): void => {
    stdin.pause();
    send(encodeFrame(channels.stdin, chunk), () => stdin.resume());
  };
  const end = (): void => send(encodeFrame(channels.close, Buffer.of(channels.stdin)));
  stdin.on('data', read);
  stdin.once('end', end);
  return () => {
    stdin.off('data', read);
    stdin.off('end', end);
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
      resolve(socket);
    });
    const failed = (error: Error): void => reject(connectionError(socketPath, error));
    socket.once('error', failed);
    socket.once('unexpected-response', (_request, response) => {
      textOf(response).then((text) => reject(statusError(response.statusCode ?? 500, text)), reject);
    });
  });
}
