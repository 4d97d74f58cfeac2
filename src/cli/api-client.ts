import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { NodeletError } from '../base/errors.js';

export interface ApiRequest {
  method: 'GET' | 'POST' | 'DELETE';
  /** Path without query, e.g. `/api/v1/pods`. */
  path: string;
  query?: Record<string, string | undefined>;
  /** A string goes out as YAML, anything else as JSON. */
  body?: unknown;
  /** Ends the request when it is aborted. */
  signal?: AbortSignal;
}

/** The daemon's API over its Unix socket. Failures are NodeletErrors with the Status message of the daemon. */
export interface ApiClient {
  json<T>(call: ApiRequest): Promise<T>;
  /** Hands every chunk of the answer to `write` as it comes, the next one when that has resolved; resolves at its end. */
  stream(call: ApiRequest, write: (chunk: Buffer) => void | Promise<void>): Promise<void>;
}

export function createApiClient(socketPath: string): ApiClient {
  const open = (call: ApiRequest): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const body = call.body === undefined ? undefined : encodeBody(call.body);
      const outgoing = request({
        socketPath,
        // A connection that was kept may have been closed by the daemon meanwhile: each call has its own.
        agent: false,
        ...(call.signal === undefined ? {} : { signal: call.signal }),
        method: call.method,
        path: `${call.path}${queryOf(call.query)}`,
        headers: {
          host: 'localhost',
          accept: 'application/json',
          ...(body === undefined
            ? {}
            : { 'content-type': body.type, 'content-length': Buffer.byteLength(body.text) }),
        },
      });
      outgoing.once('error', (error: NodeJS.ErrnoException) => reject(connectionError(socketPath, error)));
      outgoing.once('response', resolve);
      outgoing.end(body?.text);
    });

  const openOk = async (call: ApiRequest): Promise<IncomingMessage> => {
    const response = await open(call);
    if ((response.statusCode ?? 500) < 300) return response;
    throw statusError(response.statusCode ?? 500, await textOf(response));
  };

  return {
    json: async <T>(call: ApiRequest) => JSON.parse(await textOf(await openOk(call))) as T,
    stream: async (call, write) => {
      const response = await openOk(call);
      const chunks = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      const next = () =>
        chunks.next().catch((error: NodeJS.ErrnoException) => Promise.reject(cutShort(error)));
      for (let chunk = await next(); chunk.done !== true; chunk = await next()) await write(chunk.value);
    },
  };
}

function encodeBody(body: unknown): { type: string; text: string } {
  return typeof body === 'string'
    ? { type: 'application/yaml', text: body }
    : { type: 'application/json', text: JSON.stringify(body) };
}

function queryOf(query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Nobody listens on a daemon's socket; `flag` is the one that names the socket. */
export function noDaemon(socketPath: string, flag: string, cause: unknown): NodeletError {
  return new NodeletError('unavailable', `no daemon answers on ${socketPath}`, {
    remedy: `start it with \`nodelet serve\`, or name its socket with ${flag}`,
    cause,
  });
}

function cutShort(error: NodeJS.ErrnoException): NodeletError {
  return new NodeletError(
    'unavailable',
    `the daemon has ended the answer before it was whole: ${error.message}`,
    {
      remedy: 'see whether it still runs',
      cause: error,
    },
  );
}

export function connectionError(socketPath: string, error: NodeJS.ErrnoException): NodeletError {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
    return noDaemon(socketPath, '--api-socket', error);
  return new NodeletError('unavailable', `the daemon does not answer on ${socketPath}: ${error.message}`, {
    remedy: 'the CLI needs read and write permission on the socket',
    cause: error,
  });
}

/** The error of a Kubernetes Status answer; any other text is passed on as it came. */
export function statusError(code: number, text: string): NodeletError {
  const kind = code === 404 ? 'not-found' : code === 409 ? 'exists' : code < 500 ? 'invalid' : 'unavailable';
  let message = text.trim() === '' ? `the daemon answered ${code}` : text.trim();
  try {
    const status = JSON.parse(text) as { message?: unknown };
    if (typeof status.message === 'string') message = status.message;
  } catch {
    // Not JSON: the text itself is the best there is to show.
  }
  return new NodeletError(kind, message);
}
