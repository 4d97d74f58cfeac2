import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import type { Metrics } from './metrics.js';

export interface MetricsServerOptions {
  metrics: Pick<Metrics, 'expose' | 'contentType'>;
  log: Log;
  host: string;
  /** 0 picks a free port. */
  port: number;
}

export interface MetricsServer {
  /** Resolves to the port that is listened on. */
  start(): Promise<number>;
  stop(): Promise<void>;
}

/** `GET /metrics` over plain HTTP for Prometheus; every other path is a 404. */
export function createMetricsServer({ metrics, log, host, port }: MetricsServerOptions): MetricsServer {
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const [path] = (request.url ?? '').split('?');
    if (path !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('only /metrics is served here\n');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else {
      const body = await metrics.expose();
      response.writeHead(200, {
        'content-type': metrics.contentType,
        'content-length': Buffer.byteLength(body),
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    }
  };
  const server = http.createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      log.error({ error: error.message }, 'metrics could not be collected');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });

  return {
    start: () =>
      new Promise((resolve, reject) => {
        const failed = (cause: Error): void =>
          reject(
            new NodeletError('unavailable', `cannot serve metrics on ${host}:${port}: ${cause.message}`, {
              remedy: 'choose another address or stop the process that uses it',
              cause,
            }),
          );
        server.once('error', failed);
        server.listen({ host, port }, () => {
          server.off('error', failed);
          resolve((server.address() as AddressInfo).port);
        });
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
