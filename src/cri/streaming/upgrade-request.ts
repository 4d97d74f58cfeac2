import type { IncomingMessage } from 'node:http';
import { NodeletError } from '../../base/errors.js';
import type { ForwardSession } from '../../ports/cri/streaming.js';
import {
  choose,
  isTunnelled,
  spdyCommands,
  spdyForward,
  spdyUpgrade,
  unversionedCommand,
  webSocketCommands,
  webSocketForwards,
} from './protocols.js';

/** What a session is about; the first part of its path. */
export type SessionKind = 'exec' | 'attach' | 'portforward';

/** What a client wants its connection to become, both sides of it agreed upon. */
export interface AgreedUpgrade {
  transport: 'websocket' | 'spdy';
  /** Version of what is spoken inside. */
  protocol: string;
  /** Whether the client has named it, and so is to be told. */
  isNamed: boolean;
}

/** The protocols of one kind of session. */
interface SpokenProtocols {
  webSocket: readonly string[];
  spdy: readonly string[];
  /** What a SPDY client speaks that names nothing. */
  unversioned: string;
}

const command: SpokenProtocols = {
  webSocket: webSocketCommands,
  spdy: spdyCommands,
  unversioned: unversionedCommand,
};
const forward: SpokenProtocols = {
  webSocket: webSocketForwards,
  spdy: [spdyForward],
  unversioned: spdyForward,
};
export const protocolsOf: Record<SessionKind, SpokenProtocols> = {
  exec: command,
  attach: command,
  portforward: forward,
};

/** Agrees on protocols with a client, before its token is used up; `invalid` where there are none in common. */
export function agree({ headers }: IncomingMessage, spoken: SpokenProtocols): AgreedUpgrade {
  const upgrade = headers.upgrade ?? '';
  if (upgrade.toLowerCase() === 'websocket') {
    const offered = listOf(headers['sec-websocket-protocol']);
    return { transport: 'websocket', protocol: common(spoken.webSocket, offered), isNamed: true };
  }
  if (upgrade.toUpperCase() === spdyUpgrade) {
    const offered = listOf(headers['x-stream-protocol-version']);
    if (offered.length === 0) return { transport: 'spdy', protocol: spoken.unversioned, isNamed: false };
    return { transport: 'spdy', protocol: common(spoken.spdy, offered), isNamed: true };
  }
  throw new NodeletError('invalid', `an upgrade to "${upgrade}" is not supported`, {
    remedy: `ask for one to WebSocket or ${spdyUpgrade}`,
  });
}

function common(spoken: readonly string[], offered: readonly string[]): string {
  const found = choose(spoken, offered);
  if (found !== undefined) return found;
  throw new NodeletError(
    'invalid',
    `none of the offered protocols (${offered.join(', ') || 'none'}) is spoken here`,
    {
      remedy: `offer one of ${spoken.join(', ')}`,
    },
  );
}

/** Values of a header that may come several times, or as one list. */
function listOf(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

/** A client that can't name its ports itself needs a session that does. */
export function requirePorts({ ports }: ForwardSession, { transport, protocol }: AgreedUpgrade): void {
  if (transport === 'spdy' || isTunnelled(protocol) || ports.length > 0) return;
  throw new NodeletError('invalid', `the request for this URL named none, and ${protocol} can't`, {
    field: 'port',
    remedy: 'list the ports in PortForwardRequest, or connect by SPDY',
  });
}
