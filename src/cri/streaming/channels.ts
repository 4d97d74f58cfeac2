import type { TerminalSize } from '../../ports/interactive-processes.js';
import { isText } from './protocols.js';

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

/** How messages of a WebSocket subprotocol look. */
export interface Framing {
  encode(channel: number, data: Uint8Array): Buffer | string;
  /** Undefined for an empty message, and for one that is none of this framing. */
  decode(message: Buffer): { channel: number; data: Buffer } | undefined;
}

const binaryFraming: Framing = { encode: encodeFrame, decode: decodeFrame };

const digitZero = 0x30;
const base64Text = /^[A-Za-z0-9+/]*={0,2}$/;
/** Text messages: the channel as a digit, the data in base64, each message by itself. */
const textFraming: Framing = {
  encode: (channel, data) => String.fromCharCode(digitZero + channel) + Buffer.from(data).toString('base64'),
  decode: (message) => {
    const channel = (message[0] ?? 0) - digitZero;
    const text = message.toString('latin1', 1);
    if (channel < 0 || !base64Text.test(text)) return undefined;
    return { channel, data: Buffer.from(text, 'base64') };
  },
};

export const framingOf = (protocol: string): Framing => (isText(protocol) ? textFraming : binaryFraming);

/** A size takes some thirty bytes. */
export const maxSizeBytes = 1024;

export function encodeSize({ columns, rows }: TerminalSize): Buffer {
  return encodeFrame(channels.resize, Buffer.from(JSON.stringify({ Width: columns, Height: rows })));
}

/** The size of a resize message (`{"Width":80,"Height":24}`, in whatever case, as Go reads it); undefined when it is none. */
export function decodeSize(data: Buffer): TerminalSize | undefined {
  if (data.length > maxSizeBytes) return undefined;
  try {
    const said = JSON.parse(data.toString('utf8')) as Record<string, unknown>;
    const { width: columns, height: rows } = Object.fromEntries(
      Object.entries(said).map(([name, cells]) => [name.toLowerCase(), cells]),
    );
    const fits = (cells: unknown): cells is number =>
      Number.isInteger(cells) && Number(cells) > 0 && Number(cells) <= 0xffff;
    return fits(columns) && fits(rows) ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}
