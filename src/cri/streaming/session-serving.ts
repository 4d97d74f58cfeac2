import type { Duplex } from 'node:stream';
import { WebSocketServer, createWebSocketStream } from 'ws';
import type { WebSocket } from 'ws';
import type { Log } from '../../base/call-context.js';
import type { Clock } from '../../ports/clock.js';
import type { CommandSession, ForwardSession } from '../../ports/cri/streaming.js';
import { serveCommand } from './command-serving.js';
import { isTunnelled, spdyUpgrade } from './protocols.js';
import { SpdyCommand } from './spdy-command.js';
import { SpdyForward } from './spdy-forward.js';
import { SpdyConnection } from './spdy/connection.js';
import type { SpdyStream } from './spdy/stream.js';
import type { AgreedUpgrade } from './upgrade-request.js';
import type { UpgradeRequest } from './upgrade-server.js';
import { WebSocketCommand } from './websocket-command.js';
import { serveWebSocketForward } from './websocket-forward.js';

/** What a client has been promised. */
export type StreamingSession =
  { kind: 'exec' | 'attach'; command: CommandSession } | { kind: 'portforward'; forward: ForwardSession };

/** The largest message taken from a client, bytes: what Kubernetes' own servers allow. */
const maxMessageBytes = 32 * 1024 * 1024;
/** Of forwarded connections together, for clients without flow control: one whose pod doesn't read holds up the others beyond it. */
const heldForwardBytes = 1024 * 1024;

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
    else
      this.acceptWebSocket(agreed, upgrade, (socket) =>
        this.track(this.overWebSocket(session, agreed, socket)),
      );
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
    if (session.kind === 'portforward') return this.forwardOverSpdy(session.forward, socket);
    const accept = (stream: SpdyStream): boolean => command.accept(stream);
    const connection = new SpdyConnection(socket, { ...this.parts, accept });
    const options = { protocol: agreed.protocol, clock: this.parts.clock };
    const command = new SpdyCommand(connection, session.command, options);
    await Promise.all([connection.serve(), serveCommand(command, session.command, this.parts)]);
  }

  private async forwardOverSpdy(session: ForwardSession, socket: Duplex): Promise<void> {
    const forwarding = new SpdyForward(session, this.parts.clock);
    const accept = (stream: SpdyStream): boolean => forwarding.accept(stream);
    await new SpdyConnection(socket, { ...this.parts, accept, heldBytes: heldForwardBytes }).serve();
    forwarding.stop();
  }

  private async overWebSocket(
    session: StreamingSession,
    { protocol }: AgreedUpgrade,
    socket: WebSocket,
  ): Promise<void> {
    if (session.kind !== 'portforward') {
      const client = new WebSocketCommand(socket, session.command, { protocol, clock: this.parts.clock });
      return serveCommand(client, session.command, this.parts);
    }
    if (isTunnelled(protocol)) return this.forwardOverSpdy(session.forward, createWebSocketStream(socket));
    return serveWebSocketForward(socket, session.forward, { protocol, clock: this.parts.clock });
  }

  /** The library takes no name with a slash for a subprotocol, as Kubernetes' tunnel has it, so the answer is put in here. */
  private acceptWebSocket(
    { protocol, isNamed }: AgreedUpgrade,
    { request, socket, head }: UpgradeRequest,
    accepted: (socket: WebSocket) => void,
  ): void {
    delete request.headers['sec-websocket-protocol'];
    const answer = (headers: string[]): void => {
      if (isNamed) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
    };
    this.webSockets.once('headers', answer);
    this.webSockets.handleUpgrade(request, socket, head, accepted);
    // It answers at once; had it refused, the next connection must not get this one's answer.
    this.webSockets.off('headers', answer);
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
