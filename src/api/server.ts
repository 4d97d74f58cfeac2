import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import findMyWay from 'find-my-way';
import type { Agent } from '../agent/agent.js';
import type { Log } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import { claimSocketPath, listenOn } from '../cri/socket-claim.js';
import type { ApiImages } from './image-routes.js';
import { imageRoutes } from './image-routes.js';
import type { Answer, Call } from './routes.js';
import { routes } from './routes.js';
import { statusObject } from './status-map.js';
import { serveUpgrades } from './upgrades.js';

export interface ApiServerParts {
  agent: Agent;
  /** Without it the API tells nothing of images. */
  images?: ApiImages;
  socketPath: string;
  log: Log;
  /** Certificate of the runtime's streaming server, PEM, where it serves over TLS. */
  streamCertificate?: Buffer | undefined;
  /** Shown at /version. Default `0.1.0`. */
  version?: string;
}

export interface ApiServer {
  /** Listens on the socket (mode 0660); an abandoned socket file is replaced, a live one refused with `exists`. */
  start(): Promise<void>;
  /** Ends all connections, followed logs and exec sessions too, and removes the socket. */
  stop(): Promise<void>;
}

/** The HTTP API of the agent on a Unix socket. Failures are Kubernetes Status objects. */
export function createApiServer(parts: ApiServerParts): ApiServer {
  const { agent, images, socketPath, log, streamCertificate, version = '0.1.0' } = parts;
  const stopping = new AbortController();
  const router = findMyWay({ ignoreTrailingSlash: true, maxParamLength: 260 });
  const all = [...routes(agent, version), ...(images === undefined ? [] : imageRoutes(images))];
  for (const { method, path, handle } of all) router.on(method, path, () => undefined, { handle });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://nodelet');
    const method = (request.method ?? 'GET') as 'GET';
    const hangUp = new AbortController();
    response.on('close', () => hangUp.abort(new NodeletError('canceled', 'the client has hung up')));
    try {
      const found = router.find(method, url.pathname);
      if (found === null) throw new NodeletError('not-found', `there is no ${method} ${url.pathname}`);
      const { handle } = found.store as { handle: (call: Call) => Promise<Answer> };
      const answer = await handle({
        request,
        response,
        params: found.params as unknown as Call['params'],
        query: Object.fromEntries(url.searchParams),
        signal: AbortSignal.any([hangUp.signal, stopping.signal]),
      });
      if (answer !== undefined) send(response, answer.code ?? 200, answer.body);
    } catch (thrown) {
      const error = asNodeletError(thrown);
      const status = statusObject(error);
      if (status.code >= 500) log.error({ err: thrown, path: url.pathname }, 'request failed');
      if (response.headersSent) response.destroy();
      else send(response, status.code, status);
    }
  }

  const server = createServer((request, response) => {
    void serve(request, response).catch((thrown: unknown) => {
      log.error({ err: thrown }, 'answer could not be written');
      response.destroy();
    });
  });
  const upgrades = serveUpgrades(server, { agent, log, streamCertificate });

  return {
    start: async () => {
      await mkdir(dirname(socketPath), { recursive: true });
      await claimSocketPath(socketPath);
      await listenOn(server, socketPath);
    },
    stop: async () => {
      stopping.abort(new NodeletError('unavailable', 'the API is stopping'));
      if (!server.listening) return;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        upgrades.stop();
      });
      await rm(socketPath, { force: true });
    },
  };
}

function send(response: ServerResponse, code: number, body: unknown): void {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(code, {
    'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
