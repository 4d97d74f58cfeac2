import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../../base/call-context.js';
import { NodeletError, asNodeletError } from '../../base/errors.js';
import { splitHostPort } from '../../base/host-port.js';
import type { Clock } from '../../ports/clock.js';
import type { StreamingSessions } from '../../ports/cri/streaming.js';
import type { Random } from '../../ports/random.js';
import { settledWithin } from '../settled-within.js';
import { refuseUpgrade } from './refusal.js';
import { SessionTokens } from './session-tokens.js';
import type { StreamingSession } from './session-serving.js';
import { SessionServing } from './session-serving.js';
import { agree, protocolsOf, requirePorts } from './upgrade-request.js';

export interface TlsIdentity {
  cert: Buffer;
  key: Buffer;
}

export interface StreamingServerParts {
  /** `HOST:PORT`, the host as clients are to call it; port 0 takes a free one. */
  address: string;
  /** Certificate chain and key, PEM; without them streams are served in clear text. */
  tls?: TlsIdentity | undefined;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface StreamingServer extends StreamingSessions {
  start(): Promise<void>;
  /** Ends all connections, and with them what runs behind them. */
  stop(): Promise<void>;
}

const stopPatienceMs = 5000;
/** A request for an upgrade is a line and a few headers, sent at once. */
const requestLimits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 5_000,
};
const maxConnections = 2048;

/** The server behind the URLs of CRI's streaming rpcs: one session per URL, over WebSocket or SPDY. */
export function createStreamingServer(parts: StreamingServerParts): StreamingServer {
  const { address, tls, clock, random, log } = parts;
  const tokens = new SessionTokens<StreamingSession>(clock, random);
  const serving = new SessionServing({ clock, log });
  const refuse = (_request: IncomingMessage, response: ServerResponse): void => {
    response
      .writeHead(404, { 'content-type': 'text/plain' })
      .end('what is here is reached by an upgrade to WebSocket or SPDY/3.1; this is no such request\n');
  };
  const http =
    tls === undefined
      ? createServer(requestLimits, refuse)
      : createTlsServer({ ...requestLimits, ...tls }, refuse);
  http.maxConnections = maxConnections;
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    try {
      const token = /^\/(?:exec|attach|portforward)\/([0-9a-f]+)$/.exec(request.url ?? '')?.[1] ?? '';
      const session = tokens.peek(token);
      if (session === undefined) {
        throw new NodeletError('not-found', 'there is no such session', {
          remedy: 'its URL is good for one connection within a minute',
        });
      }
      // What can't become a connection leaves the URL good for a better try.
      const agreed = agree(request, protocolsOf[session.kind]);
      if (session.kind === 'portforward') requirePorts(session.forward, agreed);
      tokens.redeem(token);
      serving.serve(session, agreed, { request, socket, head });
    } catch (thrown) {
      const error = asNodeletError(thrown);
      const [code, reason] = error.kind === 'not-found' ? [404, 'NotFound'] : [400, 'BadRequest'];
      refuseUpgrade(socket, { code, reason, message: error.describe() });
    }
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
      // A process in uninterruptible sleep doesn't end when it is killed: the daemon's end must not wait for its.
      await settledWithin(serving.stop(), stopPatienceMs, clock);
      if (!http.listening) return;
      await new Promise<void>((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      });
    },
    offerCommand: (kind, command) => offer({ kind, command }),
    offerForward: (forward) => offer({ kind: 'portforward', forward }),
  };

  function offer(session: StreamingSession): string {
    return `${baseUrl()}/${session.kind}/${tokens.issue(session)}`;
  }

  function baseUrl(): string {
    const bound = http.address() as AddressInfo | null;
    if (bound === null) throw new NodeletError('unavailable', 'the streaming server does not run');
    const host = address.slice(0, address.lastIndexOf(':'));
    return `${tls === undefined ? 'http' : 'https'}://${host}:${bound.port}`;
  }
}
