import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import findMyWay from 'find-my-way';
import type { Agent } from '../agent/agent.js';
import type { PodName } from '../agent/pod-set.js';
import { backgroundContext } from '../base/call-context.js';
import type { Log } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import { refuseUpgrade } from '../cri/streaming/refusal.js';
import { execOf } from './exec-request.js';
import { statusObject } from './status-map.js';
import { proxyUpgrade } from './upgrade-proxy.js';

export const execPath = '/api/v1/namespaces/:namespace/pods/:name/exec';

export interface Upgrades {
  /** Ends all upgraded connections. */
  stop(): void;
}

export interface UpgradeParts {
  agent: Agent;
  log: Log;
  /** What the runtime's streaming server shows, where it serves over TLS. */
  streamCertificate: Buffer | undefined;
}

/** Serves the requests that become something other than HTTP: exec, passed through to the runtime's streaming server. */
export function serveUpgrades(server: Server, { agent, log, streamCertificate }: UpgradeParts): Upgrades {
  const router = findMyWay({ ignoreTrailingSlash: true, maxParamLength: 260 });
  router.on(['GET', 'POST'], execPath, () => undefined);
  const sockets = new Set<Duplex>();

  const pass = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://nodelet');
    const found = router.find((request.method ?? 'GET') as 'GET', url.pathname);
    if (found === null) throw new NodeletError('not-found', `nothing at ${url.pathname} can be upgraded`);
    const exec = execOf(url.searchParams);
    const hangUp = new AbortController();
    socket.once('close', () => hangUp.abort(new NodeletError('canceled', 'the client has hung up')));
    const pod = found.params as unknown as PodName;
    await proxyUpgrade(
      { request, socket, head },
      {
        url: await agent.execUrl(pod, exec, backgroundContext(log, hangUp.signal)),
        certificate: streamCertificate,
      },
    );
  };
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    pass(request, socket, head).catch((thrown: unknown) => {
      const status = statusObject(asNodeletError(thrown));
      if (status.code >= 500) log.error({ err: thrown, path: request.url }, 'upgrade failed');
      refuseUpgrade(socket, status);
    });
  });
  return {
    stop: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
