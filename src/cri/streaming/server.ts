import type { AddressInfo } from 'node:net';
import type { Log } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import { splitHostPort } from '../../base/host-port.js';
import type { Clock } from '../../ports/clock.js';
import type { StreamingSessions } from '../../ports/cri/streaming.js';
import type { Random } from '../../ports/random.js';
import { settledWithin } from '../settled-within.js';
import { SessionTokens } from './session-tokens.js';
import type { StreamingSession } from './session-serving.js';
import { SessionServing } from './session-serving.js';
import { agree, protocolsOf, requirePorts } from './upgrade-request.js';
import type { TlsIdentity, UpgradeRequest } from './upgrade-server.js';
import { createUpgradeServer } from './upgrade-server.js';

export interface StreamingServerParts {
  /** `HOST:PORT`, the host as clients are to call it; port 0 takes a free one. */
  address: string;
  /** Certificate chain and key, PEM; without them streams are served in clear text. */
  tls?: TlsIdentity | undefined;
  clock: Clock;
  random: Random;
  log: Log;
  /** More connections than this at once are refused by a Status. Default 2048. */
  maxConnections?: number;
}

export interface StreamingServer extends StreamingSessions {
  start(): Promise<void>;
  /** Ends all connections, and with them what runs behind them; URLs that nobody has come to are good no more. */
  stop(): Promise<void>;
}

const stopPatienceMs = 5000;
const defaultConnections = 2048;

/** The server behind the URLs of CRI's streaming rpcs: one session per URL, over WebSocket or SPDY. */
export function createStreamingServer(parts: StreamingServerParts): StreamingServer {
  const { address, tls, clock, random, log, maxConnections = defaultConnections } = parts;
  const tokens = new SessionTokens<StreamingSession>(clock, random);
  const serving = new SessionServing({ clock, log });
  const upgrade = (upgraded: UpgradeRequest): void => {
    const [, kind, token = ''] =
      /^\/(exec|attach|portforward)\/([0-9a-f]+)$/.exec(upgraded.request.url ?? '') ?? [];
    const session = tokens.peek(token);
    if (session === undefined || session.kind !== kind) {
      throw new NodeletError('not-found', 'there is no such session', {
        remedy: 'its URL is good for one connection within a minute',
      });
    }
    // What can't become a connection leaves the URL good for a better try.
    const agreed = agree(upgraded.request, protocolsOf[session.kind]);
    if (session.kind === 'portforward') requirePorts(session.forward, agreed);
    tokens.redeem(token);
    serving.serve(session, agreed, upgraded);
  };
  const http = createUpgradeServer({ tls, clock, maxConnections, upgrade });

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
