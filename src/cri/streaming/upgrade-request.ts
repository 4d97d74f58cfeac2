import type { IncomingMessage } from 'node:http';
import { NodeletError } from '../../base/errors.js';
import type { ForwardSession } from '../../ports/cri/streaming.js';
import {
  channelForward,
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
  /** What a client speaks that names nothing. */
  unversioned: { webSocket: string; spdy: string };
}

const command: SpokenProtocols = {
  webSocket: webSocketCommands,
  spdy: spdyCommands,
  unversioned: { webSocket: unversionedCommand, spdy: unversionedCommand },
};
const forward: SpokenProtocols = {
  webSocket: webSocketForwards,
  spdy: [spdyForward],
  unversioned: { webSocket: channelForward, spdy: spdyForward },
};
export const protocolsOf: Record<SessionKind, SpokenProtocols> = {
  exec: command,
  attach: command,
  portforward: forward,
};

/** Agrees on protocols with a client, before its token is used up; `invalid` where there are none in common. */
export function agree(request: IncomingMessage, spoken: SpokenProtocols): AgreedUpgrade {
  const { headers } = request;
  const upgrade = headers.upgrade ?? '';
  if (upgrade.toLowerCase() === 'websocket') {
    const offered = listOf(headers['sec-websocket-protocol']);
    const agreed = version(offered, spoken.webSocket, spoken.unversioned.webSocket);
    requireHandshake(request);
    return { transport: 'websocket', ...agreed };
  }
  if (upgrade.toUpperCase() === spdyUpgrade) {
    const offered = listOf(headers['x-stream-protocol-version']);
    return { transport: 'spdy', ...version(offered, spoken.spdy, spoken.unversioned.spdy) };
  }
  throw new NodeletError('invalid', `an upgrade to "${upgrade}" is not supported`, {
    remedy: `ask for one to WebSocket or ${spdyUpgrade}`,
  });
}

/** RFC 6455, 4.2.1: what the library would refuse when the token is used up already. */
function requireHandshake({ method, headers }: IncomingMessage): void {
  const refused = (field: string, message: string): NodeletError =>
    new NodeletError('invalid', message, { field, remedy: 'send a WebSocket handshake as RFC 6455 has it' });
  if (method !== 'GET') throw refused('method', `is ${method}, not GET`);
  if (headers['sec-websocket-version'] !== '13')
    throw refused('sec-websocket-version', `is ${headers['sec-websocket-version'] ?? 'missing'}, not 13`);
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? ''))
    throw refused('sec-websocket-key', 'is not 16 bytes in base64');
}

function version(
  offered: readonly string[],
  spoken: readonly string[],
  unversioned: string,
): Omit<AgreedUpgrade, 'transport'> {
  if (offered.length === 0) return { protocol: unversioned, isNamed: false };
  return { protocol: common(spoken, offered), isNamed: true };
}

function common(spoken: readonly string[], offered: readonly string[]): string {
  const found = choose(spoken, offered);
  if (found !== undefined) return found;
  throw new NodeletError('invalid', `none of the offered protocols (${offered.join(', ')}) is spoken here`, {
    remedy: `offer one of ${spoken.join(', ')}`,
  });
}

/** Values of a header that may come several times, or as one list. */
function listOf(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

/** A channel's number is one byte, in text one digit and what follows it in ASCII: so many pairs of channels fit both. */
const maxChannelPorts = 32;

/** A client that can't name its ports itself needs a session that does. */
export function requirePorts({ ports }: ForwardSession, { transport, protocol }: AgreedUpgrade): void {
  if (transport === 'spdy' || isTunnelled(protocol)) return;
  const refused = (message: string): NodeletError =>
    new NodeletError('invalid', message, {
      field: 'port',
      remedy: 'list the ports in PortForwardRequest, or connect by SPDY',
    });
  if (ports.length === 0) throw refused(`the request for this URL named none, and ${protocol} can't`);
  if (ports.length > maxChannelPorts)
    throw refused(`${protocol} has channels for ${maxChannelPorts} ports, not for ${ports.length}`);
}
