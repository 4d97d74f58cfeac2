import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Log } from '../../base/call-context.js';
import type { Clock } from '../../ports/clock.js';
import type { CommandSession } from '../../ports/cri/streaming.js';
import { serveCommand } from './command-serving.js';
import { spdyUpgrade } from './protocols.js';
import { SpdyCommand } from './spdy-command.js';
import { SpdyConnection } from './spdy/connection.js';
import type { SpdyStream } from './spdy/stream.js';
import type { AgreedUpgrade } from './upgrade-request.js';
import { WebSocketCommand } from './websocket-command.js';

/** What a client has been promised. */
export interface StreamingSession {
  kind: 'exec' | 'attach';
  command: CommandSession;
}

/** A request for an upgrade with its connection, as Node's HTTP server hands it over. */
export interface UpgradeRequest {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

/** The largest message taken from a client, bytes: what Kubernetes' own servers allow. */
const maxMessageBytes = 32 * 1024 * 1024;

/** Turns agreed upgrades into connections and serves the promised sessions over them. */
export class SessionServing {
  private readonly running = new Set<Promise<void>>();
  private readonly connections = new Set<Duplex>();
  private readonly webSockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes });

  constructor(private readonly parts: { clock: Clock; log: Log }) {}

  serve(session: StreamingSession, agreed: AgreedUpgrade, upgrade: UpgradeRequest): void {
    this.connections.add(upgrade.socket);
    upgrade.socket.once('close', () => this.connections.delete(upgrade.socket));
    if (agreed.transport === 'spdy') this.track(this.overSpdy(session, agreed, upgrade));
    else this.acceptWebSocket(agreed, upgrade, (socket) => this.track(this.overWebSocket(session, socket)));
  }

  /** Ends all connections; resolves once what was behind them has ended too. */
  async stop(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await Promise.all(this.running);
  }

  private async overSpdy(
    session: StreamingSession,
    agreed: AgreedUpgrade,
    upgrade: UpgradeRequest,
  ): Promise<void> {
    const { socket, head } = upgrade;
    socket.write(switching(agreed));
    if (head.length > 0) socket.unshift(head);
    const accept = (stream: SpdyStream): boolean => command.accept(stream);
    const connection = new SpdyConnection(socket, { ...this.parts, accept });
    const options = { protocol: agreed.protocol, clock: this.parts.clock };
    const command = new SpdyCommand(connection, session.command, options);
    await Promise.all([connection.serve(), serveCommand(command, session.command, this.parts)]);
  }

  private async overWebSocket({ command }: StreamingSession, socket: WebSocket): Promise<void> {
    await serveCommand(new WebSocketCommand(socket, command, this.parts.clock), command, this.parts);
  }

  /** The library picks the first protocol that is offered; the one agreed upon is to be the only one. */
  private acceptWebSocket(
    { protocol }: AgreedUpgrade,
    { request, socket, head }: UpgradeRequest,
    accepted: (socket: WebSocket) => void,
  ): void {
    request.headers['sec-websocket-protocol'] = protocol;
    this.webSockets.handleUpgrade(request, socket, head, accepted);
  }

  private track(work: Promise<void>): void {
    const tracked = work
      .catch((thrown: unknown) => this.parts.log.error({ err: thrown }, 'a streaming session failed'))
      .finally(() => this.running.delete(tracked));
    this.running.add(tracked);
  }
}

function switching({ protocol, isNamed }: AgreedUpgrade): string {
  const named = isNamed ? `X-Stream-Protocol-Version: ${protocol}\r\n` : '';
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${spdyUpgrade}\r\n${named}\r\n`;
}
