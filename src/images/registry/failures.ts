import { abortReason } from '../../base/call-context.js';
import type { ErrorDetail, ErrorKind } from '../../base/errors.js';
import { NodeletError, asNodeletError } from '../../base/errors.js';

/**
 * What becomes of a request that failed: `never` tried there again; `connect`: the host couldn't be reached; `broken`: it could, and
 * the transfer broke, or the host is busy.
 */
export type Retry = 'never' | 'connect' | 'broken';

/** A failure that may pass. */
export class PassingFailure extends NodeletError {
  constructor(
    kind: ErrorKind,
    message: string,
    detail: ErrorDetail,
    readonly retry: Exclude<Retry, 'never'>,
    /** What the host has asked for, milliseconds from the answer on. */
    readonly retryAfterMs?: number,
  ) {
    super(kind, message, detail);
  }
}

/** Whether a failure may pass. */
export const retryOf = (thrown: unknown): Retry =>
  thrown instanceof PassingFailure ? thrown.retry : 'never';

/** What broke a transfer, told by its kind: the caller, the network, or this machine's disk. */
export function transportError(thrown: unknown, host: string, signal: AbortSignal): NodeletError {
  if (thrown instanceof NodeletError) return thrown;
  if (signal.aborted) return abortReason(signal);
  const error = thrown as NodeJS.ErrnoException;
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
    return new NodeletError('exhausted', 'the disk of the image store is full', {
      remedy: 'remove images that are not needed, or make room below rootDir',
      cause: thrown,
    });
  }
  if (error.code?.startsWith('Z_') === true) {
    return new NodeletError('corrupt', `the layer's compression is broken: ${error.message}`, {
      field: 'manifest.layers',
      remedy: 'push the image again; nothing of it was kept',
      cause: thrown,
    });
  }
  // Without a code it comes from no system: it is a mistake of ours.
  if (error.code === undefined) return asNodeletError(thrown);
  if (error.path !== undefined || error.code === 'EIO' || error.code === 'EROFS') {
    return new NodeletError('tool-failed', `the image store can't be written: ${error.message}`, {
      remedy: 'check the disk that holds rootDir',
      cause: thrown,
    });
  }
  return networkError(error, host);
}

function networkError(error: NodeJS.ErrnoException, host: string): NodeletError {
  // Several addresses were tried and each has its own reason.
  const reasons = error instanceof AggregateError ? (error.errors as Error[]) : [error];
  const code = error.code ?? '';
  const distrusted = certificateErrors.test(code);
  const why = `registry ${host}: ${reasons.map(({ message }) => message).join('; ')}`;
  const remedy = distrusted
    ? 'name its CA in the registries file (ca), or list it there with skipVerify'
    : clientCertificateErrors.test(code)
      ? 'name a certificate that it accepts in the registries file (clientCert, clientKey)'
      : closedUnheard(error)
        ? 'check that it runs; one that wants a certificate of its clients closes like this (clientCert in the registries file)'
        : 'check that the registry runs and can be reached, then pull again';
  if (distrusted || lastingErrors.test(code)) return registryUnavailable(why, { remedy, cause: error });
  const retry = connectErrors.test(code) ? 'connect' : 'broken';
  return new PassingFailure('unavailable', `${word}: ${why}`, { remedy, cause: error }, retry);
}

/** Whether a server closed a connection without a word, as TLS 1.3 servers do with clients whose certificate they miss. */
const closedUnheard = (error: NodeJS.ErrnoException & { socket?: { bytesRead?: number } }): boolean =>
  error.code === 'UND_ERR_SOCKET' && error.socket?.bytesRead === 0;

/** OpenSSL's and Node's names of what can be wrong with a certificate. */
const certificateErrors = /CERT_|_CERT|^ERR_TLS|^UNABLE_TO_VERIFY|^HOSTNAME_MISMATCH$/;
const clientCertificateErrors = /^ERR_SSL_.*ALERT/;
/** A name that no server knows, and a server that doesn't speak TLS, or not with us. */
const lastingErrors =
  /^ENOTFOUND$|^ERR_SSL_|^EPROTO$|^ERR_INVALID_URL$|^UND_ERR_INVALID_ARG$|^UND_ERR_NOT_SUPPORTED$/;
const connectErrors =
  /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ETIMEDOUT|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT)$/;

const word = 'RegistryUnavailable';

/**
 * A pull that fails for what is beyond this node and may go well later. The message begins with the word by which CRI's clients
 * know the case; no field of the request is at fault.
 */
export function registryUnavailable(why: string, detail: { remedy: string; cause?: unknown }): NodeletError {
  return new NodeletError('unavailable', `${word}: ${why}`, detail);
}

/** A transfer that ended before its time. */
export const brokenOff = (host: string, why: string): NodeletError =>
  new PassingFailure(
    'unavailable',
    `${word}: registry ${host}: ${why}`,
    { remedy: 'check what is between here and the registry, then pull again' },
    'broken',
  );

/** A registry that is busy or has a failure, by its status; `retryAfter` is its header of that name. */
export function busyError(
  what: string,
  { statusCode, retryAfter, nowMs }: { statusCode: number; retryAfter: string | undefined; nowMs: number },
): NodeletError | undefined {
  const afterMs = retryAfterMs(retryAfter, nowMs);
  const wait = afterMs === undefined ? '' : `, and asks to wait ${Math.ceil(afterMs / 1000)} s`;
  if (statusCode === 429) {
    const detail = { field: 'image.image', remedy: 'wait, or give credentials with a higher limit' };
    return new PassingFailure(
      'exhausted',
      `${what}: the registry allows no more requests for now${wait}`,
      detail,
      'broken',
      afterMs,
    );
  }
  if (statusCode !== 408 && statusCode < 500) return undefined;
  const why = `${word}: ${what} answered ${statusCode}${wait}`;
  const detail = { remedy: "see the registry's own log, then pull again" };
  const passing = [408, 500, 502, 503, 504].includes(statusCode);
  return passing
    ? new PassingFailure('unavailable', why, detail, 'broken', afterMs)
    : new NodeletError('unavailable', why, detail);
}

/** Seconds or an HTTP date, RFC 9110 section 10.2.3; undefined where it is neither. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
