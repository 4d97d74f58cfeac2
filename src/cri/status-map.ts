import { status } from '@grpc/grpc-js';
import type { ErrorKind, NodeletError } from '../base/errors.js';

/** The gRPC code of every error kind; the compiler keeps it exhaustive. */
export const codeOfKind: Record<ErrorKind, status> = {
  invalid: status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  'wrong-state': status.FAILED_PRECONDITION,
  exhausted: status.RESOURCE_EXHAUSTED,
  denied: status.PERMISSION_DENIED,
  unavailable: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  canceled: status.CANCELLED,
  unsupported: status.UNIMPLEMENTED,
  corrupt: status.DATA_LOSS,
  'tool-failed': status.UNKNOWN,
  bug: status.INTERNAL,
};

const kindOfCode = new Map<status, ErrorKind>([
  ...(Object.entries(codeOfKind) as [ErrorKind, status][]).map(([kind, code]) => [code, kind] as const),
  [status.OUT_OF_RANGE, 'invalid'],
  [status.UNAUTHENTICATED, 'denied'],
  [status.ABORTED, 'wrong-state'],
]);

/** The kind a peer's gRPC code stands for: the client's side of the same map. */
export function kindOf(code: status): ErrorKind {
  return kindOfCode.get(code) ?? 'tool-failed';
}

/** Trailers longer than this are refused by common clients, so that the whole error would be lost. */
const detailsMaxChars = 4096;

export interface WireStatus {
  code: status;
  details: string;
}

export function toWireStatus(error: NodeletError): WireStatus {
  const text = error.describe();
  const details = text.length <= detailsMaxChars ? text : `${text.slice(0, detailsMaxChars)}…`;
  // A round trip through UTF-8 replaces lone surrogates, which the trailer's percent-encoding would choke on.
  return { code: codeOfKind[error.kind], details: Buffer.from(details).toString() };
}
