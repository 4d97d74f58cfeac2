import type { TerminalSize } from '../../ports/interactive-processes.js';

/**
 * Kubernetes' remote command protocol over WebSocket: each message is one byte of channel, then data. In v4 a stream
 * ends with the connection; v5 adds the close signal (255, then a channel), by which a client ends stdin alone.
 */
export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
export type Channel = (typeof channels)[keyof typeof channels];

export function encodeFrame(channel: number, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(channel), data]);
}

/** Channel and data of a message; undefined for an empty one, which Kubernetes' clients send to no end. */
export function decodeFrame(message: Buffer): { channel: number; data: Buffer } | undefined {
  const channel = message[0];
  return channel === undefined ? undefined : { channel, data: message.subarray(1) };
}

export function encodeSize({ columns, rows }: TerminalSize): Buffer {
  return encodeFrame(channels.resize, Buffer.from(JSON.stringify({ Width: columns, Height: rows })));
}

/** The size of a resize message (`{"Width":80,"Height":24}`); undefined when it is none. */
export function decodeSize(data: Buffer): TerminalSize | undefined {
  try {
    const { Width: columns, Height: rows } = JSON.parse(data.toString('utf8')) as Record<string, unknown>;
    const fits = (cells: unknown): cells is number =>
      Number.isInteger(cells) && Number(cells) > 0 && Number(cells) <= 0xffff;
    return fits(columns) && fits(rows) ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}
