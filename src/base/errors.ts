/**
 * The one error type of nodelet. A kind says what the caller can do about it; `field` names the request
 * or manifest field at fault (as the user wrote it, e.g. `config.metadata.name`), `remedy` the next step.
 * Kinds are mapped to gRPC codes in cri/status-map.ts and to HTTP codes in api/status-map.ts, exhaustively.
 */
export const errorKinds = [
  'invalid',
  'not-found',
  'exists',
  'wrong-state',
  'exhausted',
  'denied',
  'unavailable',
  'deadline',
  'canceled',
  'unsupported',
  'corrupt',
  'tool-failed',
  'bug',
] as const;
export type ErrorKind = (typeof errorKinds)[number];

export interface ErrorDetail {
  /** Path of the offending field, in the caller's own spelling. */
  field?: string;
  /** What the user can do about it, one sentence. */
  remedy?: string;
  cause?: unknown;
}

export class NodeletError extends Error {
  override readonly name = 'NodeletError';
  readonly field: string | undefined;
  readonly remedy: string | undefined;

  constructor(
    readonly kind: ErrorKind,
    message: string,
    detail: ErrorDetail = {},
  ) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.field = detail.field;
    this.remedy = detail.remedy;
  }

  /** One line for people: field, what is wrong, and the remedy. */
  describe(): string {
    const where = this.field === undefined ? '' : `${this.field}: `;
    const then = this.remedy === undefined ? '' : `; ${this.remedy}`;
    return `${where}${this.message}${then}`;
  }
}

/** Gives any thrown value a kind: a NodeletError keeps its own, everything else is a bug of nodelet's. */
export function asNodeletError(thrown: unknown): NodeletError {
  if (thrown instanceof NodeletError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new NodeletError('bug', message, { cause: thrown });
}

export function isKind(thrown: unknown, kind: ErrorKind): thrown is NodeletError {
  return thrown instanceof NodeletError && thrown.kind === kind;
}
