import { WebSocket } from 'ws';
import { decodeFrame, encodeFrame } from '../../src/cri/streaming/channels.js';
import type { OpenStream, SpdyClient } from '../cri/streaming/spdy-client.js';
import { connectSpdy } from '../cri/streaming/spdy-client.js';

/** A client at the URL of an exec or an attach, with the streams that it opened. */
export interface StreamClient {
  type(text: string): void;
  endStdin(): void;
  resize(size: { columns: number; rows: number }): void;
  stdout(): string;
  stderr(): string;
  /** The Status that the server told at the end; rejects when the connection ended without one. */
  status: Promise<Record<string, unknown>>;
  /** Goes away without a word. */
  vanish(): void;
}

type Streams = readonly ('stdin' | 'stdout' | 'stderr' | 'resize')[];

/** Over SPDY, v4. */
export async function overSpdy(url: string, streams: Streams): Promise<StreamClient> {
  const client: SpdyClient = await connectSpdy(url, ['v4.channel.k8s.io']);
  const opened: Record<string, OpenStream> = { error: await client.open({ streamType: 'error' }) };
  for (const streamType of streams) opened[streamType] = await client.open({ streamType });
  const outputs = ['stdout', 'stderr'].flatMap((name) => opened[name]?.whole ?? []);
  const status = (opened['error'] as OpenStream).whole.then(async (told) => {
    await Promise.all(outputs);
    return parse(told);
  });
  status.catch(() => undefined);
  return {
    type: (text) => void opened['stdin']?.stream.write(text),
    endStdin: () => void opened['stdin']?.stream.end(),
    resize: ({ columns, rows }) =>
      void opened['resize']?.stream.write(`${JSON.stringify({ Width: columns, Height: rows })}\n`),
    stdout: () => opened['stdout']?.text() ?? '',
    stderr: () => opened['stderr']?.text() ?? '',
    status,
    vanish: () => client.socket.destroy(),
  };
}

/** Over WebSocket, v5. */
export async function overWebSocket(url: string): Promise<StreamClient> {
  const socket = new WebSocket(url, ['v5.channel.k8s.io']);
  const received = ['', '', '', ''];
  socket.on('error', () => undefined);
  socket.on('message', (message: Buffer) => {
    const { channel, data } = decodeFrame(message) ?? { channel: 9, data: Buffer.alloc(0) };
    received[channel] = (received[channel] ?? '') + data.toString();
  });
  const status = new Promise<void>((resolve) => socket.once('close', () => resolve())).then(() =>
    parse(received[3] ?? ''),
  );
  status.catch(() => undefined);
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_request, { statusCode }) => reject(new Error(String(statusCode))));
  });
  return {
    type: (text) => socket.send(encodeFrame(0, Buffer.from(text))),
    endStdin: () => socket.send(Buffer.of(255, 0)),
    resize: ({ columns, rows }) =>
      socket.send(encodeFrame(4, Buffer.from(JSON.stringify({ Width: columns, Height: rows })))),
    stdout: () => received[1] ?? '',
    stderr: () => received[2] ?? '',
    status,
    vanish: () => socket.terminate(),
  };
}

function parse(text: string | Buffer): Record<string, unknown> {
  return JSON.parse(text.toString()) as Record<string, unknown>;
}
