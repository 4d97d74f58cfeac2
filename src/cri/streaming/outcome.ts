import { NodeletError } from '../../base/errors.js';

/** How a command ended: by itself, or by a failure of what ran it. */
export type Outcome = { exitCode: number } | { error: NodeletError };

interface CommandStatus {
  metadata?: object;
  status?: 'Success' | 'Failure';
  reason?: string;
  message?: string;
  code?: number;
  details?: { causes?: { reason?: string; message?: string }[] };
}

function statusOf(outcome: Outcome): CommandStatus {
  if ('error' in outcome)
    return { status: 'Failure', reason: 'InternalError', message: outcome.error.describe(), code: 500 };
  if (outcome.exitCode === 0) return { status: 'Success' };
  return {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with exit code ${outcome.exitCode}`,
    details: { causes: [{ reason: 'ExitCode', message: String(outcome.exitCode) }] },
  };
}

/** The outcome as the meta/v1 Status that v4 and later have. */
export function encodeOutcome(outcome: Outcome): Buffer {
  return Buffer.from(JSON.stringify({ metadata: {}, ...statusOf(outcome) }));
}

/** The outcome as older protocols have it: nothing when all went well, else a text. */
export function encodeOutcomeText(outcome: Outcome): Buffer {
  return Buffer.from(statusOf(outcome).message ?? '');
}

/** The exit code in a Status; throws what the other side failed with. */
export function decodeOutcome(data: Buffer): number {
  const { status, reason, message, details } = JSON.parse(data.toString('utf8')) as CommandStatus;
  if (status === 'Success') return 0;
  const code = details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message ?? '';
  if (reason === 'NonZeroExitCode' && /^\d+$/.test(code)) return Number(code);
  throw new NodeletError('tool-failed', message ?? 'the command failed for an unknown reason');
}
