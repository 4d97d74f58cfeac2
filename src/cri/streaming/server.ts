import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Log } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import { splitHostPort } from '../../base/host-port.js';
import type { Clock } from '../../ports/clock.js';
import type { ExecSession, StreamingSessions } from '../../ports/cri/streaming.js';
import type { Random } from '../../ports/random.js';
import { settledWithin } from '../settled-within.js';
import { chooseProtocol, protocols } from './channels.js';
import { serveExec } from './exec-connection.js';
import { refuseUpgrade } from './refusal.js';
import { SessionTokens } from './session-tokens.js';

export interface StreamingServerParts {
  /** `HOST:PORT` on loopback; port 0 takes a free one. */
  address: string;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface StreamingServer extends StreamingSessions {
  start(): Promise<void>;
  /** Ends all connections, and with them what runs behind them. */
  stop(): Promise<void>;
}

/** The largest message taken from a client, bytes: what Kubernetes' own servers allow. */
const maxMessageBytes = 32 * 1024 * 1024;
const stopPatienceMs = 5000;
const supported = `nodelet speaks WebSocket with the subprotocols ${protocols.join(' and ')}`;

/** The server behind the URLs of CRI's streaming rpcs: WebSocket, one session per URL. */
export function createStreamingServer({
  address,
  clock,
  random,
  log,
}: StreamingServerParts): StreamingServer {
  const tokens = new SessionTokens<ExecSession>(clock, random);
  const running = new Set<Promise<void>>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    handleProtocols: (offered) => chooseProtocol([...offered]) ?? false,
  });
  const http = createServer((_request, response) => {
    response.writeHead(404, { 'content-type': 'text/plain' }).end(`${supported}; this is no such request\n`);
  });
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = unfitUpgrade(request);
    if (refusal !== undefined) return refuseUpgrade(socket, refusal);
    const session = tokens.redeem(/^\/exec\/([0-9a-f]+)$/.exec(request.url ?? '')?.[1] ?? '');
    if (session === undefined) {
      const message = 'there is no such session: its URL is good for one connection within a minute';
      return refuseUpgrade(socket, { code: 404, reason: 'NotFound', message });
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      const serving = serveExec(client, session, { clock, log }).finally(() => running.delete(serving));
      running.add(serving);
    });
  });

  return {
    start: () =>
      new Promise((resolve, reject) => {
        const { host, port } = splitHostPort(address);
        http.once('error', (error) =>
          reject(
            new NodeletError('unavailable', `cannot listen for streams on ${address}: ${error.message}`, {
              field: 'streaming.address',
              remedy: 'choose another address in the configuration',
            }),
          ),
        );
        http.listen({ host, port }, () => {
          log.info({ address: baseUrl() }, 'streams are served');
          resolve();
        });
      }),
    stop: async () => {
      tokens.clear();
      for (const client of sockets.clients) client.terminate();
      // A process in uninterruptible sleep doesn't end when it is killed: the daemon's end must not wait for its.
      await settledWithin(Promise.all(running), stopPatienceMs, clock);
      if (!http.listening) return;
      await new Promise<void>((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      });
    },
    offerExec: (session) => `${baseUrl()}/exec/${tokens.issue(session)}`,
  };

  function baseUrl(): string {
    const bound = http.address() as AddressInfo | null;
    if (bound === null) throw new NodeletError('unavailable', 'the streaming server does not run');
    const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    return `http://${host}:${bound.port}`;
  }
}

/** Why a request can't become a connection, whatever its token: said before the token is used up. */
function unfitUpgrade({ headers }: IncomingMessage) {
  const upgrade = headers.upgrade ?? '';
  const bad = (message: string) => ({ code: 400, reason: 'BadRequest', message: `${message}: ${supported}` });
  if (/^spdy\//i.test(upgrade)) return bad(`${upgrade} is not supported`);
  if (upgrade.toLowerCase() !== 'websocket') return bad(`an upgrade to "${upgrade}" is not supported`);
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
  if (chooseProtocol(offered) !== undefined) return undefined;
  return bad(`none of the offered subprotocols (${offered.join(', ') || 'none'}) is supported`);
}
