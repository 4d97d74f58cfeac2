import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { NodeletError, asNodeletError } from '../../base/errors.js';
import type { ErrorKind } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Refusal } from './refusal.js';
import { refusalBody, refuseUpgrade } from './refusal.js';

export interface TlsIdentity {
  cert: Buffer;
  key: Buffer;
}

/** A request for an upgrade with its connection, as Node's HTTP server hands it over. */
export interface UpgradeRequest {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

export interface UpgradeServerParts {
  tls?: TlsIdentity | undefined;
  clock: Clock;
  /** More connections than this at once are refused. */
  maxConnections: number;
  /** Takes the connection over, or throws why it does not. */
  upgrade: (request: UpgradeRequest) => void;
}

/** From the first byte of a connection to the end of its request, which is a line and a few headers, sent at once. */
export const requestPatienceMs = 10_000;
/** A client that was refused may take this long to read why. */
const lingerMs = 2000;
const maxHeaderBytes = 16 * 1024;
/** So many more are taken only to be told that there are too many; the rest is dropped by Node. */
const refusedAtOnce = 64;

/** Codes of HTTP for the kinds of error that end an upgrade; anything else is a failure of nodelet's own. */
const refusals: Partial<Record<ErrorKind, Omit<Refusal, 'message'>>> = {
  invalid: { code: 400, reason: 'BadRequest' },
  'not-found': { code: 404, reason: 'NotFound' },
  exhausted: { code: 429, reason: 'TooManyRequests' },
  deadline: { code: 408, reason: 'Timeout' },
};
const ownFailure = { code: 500, reason: 'InternalError' };

/**
 * An HTTP server for nothing but upgrades. Whatever else comes is refused by a Status and its connection ended: requests
 * of other kinds, with a body, with too large or no headers, ones that don't come to an end, and too many at once.
 */
export function createUpgradeServer({ tls, clock, maxConnections, upgrade }: UpgradeServerParts): Server {
  // The time limits are by the clock of the ports, below.
  const limits = { maxHeaderSize: maxHeaderBytes, headersTimeout: 0, requestTimeout: 0 };
  const http =
    tls === undefined
      ? createServer(limits, refuseRequest)
      : createTlsServer({ ...limits, ...tls, handshakeTimeout: requestPatienceMs }, refuseRequest);
  http.maxConnections = maxConnections + refusedAtOnce;
  const patience = new WeakMap<Duplex, () => void>();
  let open = 0;

  http.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    open += 1;
    const late = new NodeletError('deadline', `the request has not come within ${requestPatienceMs} ms`);
    const cancel = clock.after(requestPatienceMs, () => refuse(socket, late));
    patience.set(socket, cancel);
    socket.once('close', () => {
      open -= 1;
      cancel();
    });
  });
  http.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    if (error.code !== 'HPE_HEADER_OVERFLOW')
      return refuse(socket, new NodeletError('invalid', `this is no HTTP request: ${error.message}`));
    const message = `the headers of the request are larger than ${maxHeaderBytes} bytes`;
    end(socket, { code: 431, reason: 'RequestHeaderFieldsTooLarge', message });
  });
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    patience.get(socket)?.();
    try {
      if (open > maxConnections) {
        throw new NodeletError('exhausted', `${maxConnections} streaming connections are open`, {
          remedy: 'end some of them and try again',
        });
      }
      requireNoBody(request);
      upgrade({ request, socket, head });
    } catch (thrown) {
      refuse(socket, asNodeletError(thrown));
    }
  });
  return http;

  function refuse(socket: Duplex, error: NodeletError): void {
    end(socket, { ...(refusals[error.kind] ?? ownFailure), message: error.describe() });
  }

  function end(socket: Duplex, refusal: Refusal): void {
    patience.get(socket)?.();
    refuseUpgrade(socket, refusal);
    // What is still on its way is taken and dropped: a reset would cost the client its answer.
    socket.resume();
    const cancel = clock.after(lingerMs, () => socket.destroy());
    socket.once('close', cancel);
  }
}

function refuseRequest({ method, url }: IncomingMessage, response: ServerResponse): void {
  const message = `${method} ${url?.split('/')[1] ?? ''}: this server knows only upgrades to WebSocket or SPDY/3.1, and the request asks for none`;
  const body = refusalBody({ code: 400, reason: 'BadRequest', message });
  response
    .writeHead(400, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    })
    .end(body);
}

/** Its bytes would be taken for the first ones of the connection that the client asks for. */
function requireNoBody({ headers }: IncomingMessage): void {
  const length = headers['content-length'] ?? '0';
  if (length === '0' && headers['transfer-encoding'] === undefined) return;
  throw new NodeletError('invalid', 'a request for an upgrade has no body', {
    field: length === '0' ? 'transfer-encoding' : 'content-length',
    remedy: 'send the data on the upgraded connection',
  });
}
