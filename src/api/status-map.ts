import type { ErrorKind, NodeletError } from '../base/errors.js';

interface HttpStatus {
  code: number;
  /** Kubernetes' machine-readable reason (meta/v1 StatusReason). */
  reason: string;
}

/** HTTP code and Kubernetes reason of every error kind: the one place where they are decided. */
export const httpStatuses: Record<ErrorKind, HttpStatus> = {
  invalid: { code: 422, reason: 'Invalid' },
  'not-found': { code: 404, reason: 'NotFound' },
  exists: { code: 409, reason: 'AlreadyExists' },
  'wrong-state': { code: 409, reason: 'Conflict' },
  exhausted: { code: 429, reason: 'TooManyRequests' },
  denied: { code: 403, reason: 'Forbidden' },
  unavailable: { code: 503, reason: 'ServiceUnavailable' },
  deadline: { code: 504, reason: 'Timeout' },
  canceled: { code: 499, reason: 'Canceled' },
  unsupported: { code: 422, reason: 'Invalid' },
  corrupt: { code: 500, reason: 'InternalError' },
  'tool-failed': { code: 500, reason: 'InternalError' },
  bug: { code: 500, reason: 'InternalError' },
};

/** A meta/v1 Status, as Kubernetes' API answers failures. */
export interface StatusObject {
  apiVersion: 'v1';
  kind: 'Status';
  metadata: Record<string, never>;
  status: 'Failure';
  message: string;
  reason: string;
  code: number;
  details?: { causes: { field: string; message: string }[] };
}

export function statusObject(error: NodeletError): StatusObject {
  const { code, reason } = httpStatuses[error.kind];
  return {
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: error.describe(),
    reason,
    code,
    ...(error.field === undefined
      ? {}
      : { details: { causes: [{ field: error.field, message: error.message }] } }),
  };
}
