import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import findMyWay from 'find-my-way';
import type { Agent } from '../agent/agent.js';
import type { PodName } from '../agent/pod-set.js';
import { backgroundContext } from '../base/call-context.js';
import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import { refuseUpgrade } from '../cri/streaming/refusal.js';
import { statusObject } from './status-map.js';
import { attachOf, execOf, portsOf } from './stream-request.js';
import { proxyUpgrade } from './upgrade-proxy.js';

const pod = '/api/v1/namespaces/:namespace/pods/:name';

/** Gives the URL at which the runtime serves what a client asks for. */
type UrlOf = (agent: Agent, pod: PodName, params: URLSearchParams, ctx: CallContext) => Promise<string>;

/** The subresources of a pod that become something other than HTTP. */
const upgraded: Record<string, UrlOf> = {
  [`${pod}/exec`]: (agent, name, params, ctx) => agent.execUrl(name, execOf(params), ctx),
  [`${pod}/attach`]: (agent, name, params, ctx) => agent.attachUrl(name, attachOf(params), ctx),
  [`${pod}/portforward`]: (agent, name, params, ctx) => agent.forwardUrl(name, portsOf(params), ctx),
};
export const upgradePaths = Object.keys(upgraded);

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

/** Serves the requests that become something other than HTTP, passed through to the runtime's streaming server. */
export function serveUpgrades(server: Server, { agent, log, streamCertificate }: UpgradeParts): Upgrades {
  const router = findMyWay({ ignoreTrailingSlash: true, maxParamLength: 260 });
  for (const [path, urlOf] of Object.entries(upgraded))
    router.on(['GET', 'POST'], path, () => undefined, { urlOf });
  const sockets = new Set<Duplex>();

  const pass = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://nodelet');
    const found = router.find((request.method ?? 'GET') as 'GET', url.pathname);
    if (found === null) throw new NodeletError('not-found', `nothing at ${url.pathname} can be upgraded`);
    const { urlOf } = found.store as { urlOf: UrlOf };
    const hangUp = new AbortController();
    socket.once('close', () => hangUp.abort(new NodeletError('canceled', 'the client has hung up')));
    const ctx = backgroundContext(log, hangUp.signal);
    const target = await urlOf(agent, found.params as unknown as PodName, url.searchParams, ctx);
    await proxyUpgrade({ request, socket, head }, { url: target, certificate: streamCertificate });
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
