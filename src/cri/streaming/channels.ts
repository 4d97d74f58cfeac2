import { NodeletError } from '../../base/errors.js';
import type { TerminalSize } from '../../ports/interactive-processes.js';

/**
 * Kubernetes' remote command protocol over WebSocket: each message is one byte of channel, then data. In v4 a stream
 * ends with the connection; v5 adds the close signal (255, then a channel), by which a client ends stdin alone.
 */
export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
export type Channel = (typeof channels)[keyof typeof channels];

/** WebSocket subprotocols that are spoken, the preferred one first. */
export const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
export type Protocol = (typeof protocols)[number];

export function chooseProtocol(offered: readonly string[]): Protocol | undefined {
  return protocols.find((protocol) => offered.includes(protocol));
}

export function encodeFrame(channel: Channel, data: Uint8Array): Buffer {
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

interface ExecStatus {
  metadata?: object;
  status?: 'Success' | 'Failure';
  reason?: string;
  message?: string;
  code?: number;
  details?: { causes?: { reason?: string; message?: string }[] };
}

/** How a command ended, as the meta/v1 Status of the error channel. */
export function encodeOutcome(outcome: { exitCode: number } | { error: NodeletError }): Buffer {
  const status: ExecStatus =
    'error' in outcome
      ? { status: 'Failure', reason: 'InternalError', message: outcome.error.describe(), code: 500 }
      : outcome.exitCode === 0
        ? { status: 'Success' }
        : {
            status: 'Failure',
            reason: 'NonZeroExitCode',
            message: `command terminated with exit code ${outcome.exitCode}`,
            details: { causes: [{ reason: 'ExitCode', message: String(outcome.exitCode) }] },
          };
  return encodeFrame(channels.error, Buffer.from(JSON.stringify({ metadata: {}, ...status })));
}

/** The exit code in a Status of the error channel; throws what the other side failed with. */
export function decodeOutcome(data: Buffer): number {
  const { status, reason, message, details } = JSON.parse(data.toString('utf8')) as ExecStatus;
  if (status === 'Success') return 0;
  const code = details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message ?? '';
  if (reason === 'NonZeroExitCode' && /^\d+$/.test(code)) return Number(code);
  throw new NodeletError('tool-failed', message ?? 'the command failed for an unknown reason');
}
