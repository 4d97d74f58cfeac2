import { PassThrough } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { NodeletError } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { TerminalSize } from '../../ports/interactive-processes.js';
import type { Channel, Framing } from './channels.js';
import { channels, decodeSize, framingOf } from './channels.js';
import type { CommandClient, CommandStreams } from './command-client.js';
import { watchLiveness } from './liveness.js';
import type { Outcome } from './outcome.js';
import { encodeOutcome, encodeOutcomeText } from './outcome.js';
import { tellsStatus } from './protocols.js';

const normalClosure = 1000;

/** A client that speaks the remote command protocol over WebSocket. */
export class WebSocketCommand implements CommandClient {
  readonly ready: Promise<void>;
  readonly gone: AbortSignal;
  /** Bounded: when it is full, the connection is paused. */
  readonly stdin = new PassThrough();
  private readonly end = new AbortController();
  private size: TerminalSize | undefined;
  private changed: (size: TerminalSize) => void = () => undefined;
  private readonly moved: () => void;
  private readonly framing: Framing;

  constructor(
    private readonly socket: WebSocket,
    streams: CommandStreams,
    private readonly options: { protocol: string; clock: Clock },
  ) {
    this.gone = this.end.signal;
    this.framing = framingOf(options.protocol);
    socket.on('message', (message: RawData) => this.receive(message as Buffer));
    // An error is followed by close, which is what counts.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.end.abort(new NodeletError('canceled', 'the client has gone away'));
    });
    this.stdin.on('drain', () => socket.resume());
    this.moved = watchLiveness(socket, options.clock);
    // An empty message on the lowest channel tells the client that the command is on its way, as the kubelet does.
    const lowest = streams.stdout ? channels.stdout : streams.stderr ? channels.stderr : channels.error;
    this.ready = this.transmit(lowest, Buffer.alloc(0));
    this.ready.catch(() => undefined);
  }

  onSize(changed: (size: TerminalSize) => void): void {
    this.changed = changed;
    if (this.size !== undefined) changed(this.size);
  }

  send(stream: 'stdout' | 'stderr', data: Buffer): Promise<void> {
    return this.transmit(channels[stream], data);
  }

  async finish(outcome: Outcome): Promise<void> {
    if (this.socket.readyState !== this.socket.OPEN) return;
    const isStatus = tellsStatus(this.options.protocol);
    const told = isStatus ? encodeOutcome(outcome) : encodeOutcomeText(outcome);
    await this.transmit(channels.error, told).catch(() => undefined);
    // Paused, the connection would never see the client's answer to the close.
    this.stdin.resume();
    this.socket.resume();
    this.socket.close(normalClosure);
  }

  private receive(message: Buffer): void {
    const frame = this.framing.decode(message);
    if (frame === undefined) return;
    const { channel, data } = frame;
    if (channel === channels.stdin) this.receiveInput(data);
    else if (channel === channels.close && data[0] === channels.stdin) this.stdin.end();
    else if (channel === channels.resize) this.resize(decodeSize(data));
  }

  private receiveInput(data: Buffer): void {
    if (this.stdin.writableEnded || data.length === 0) return;
    if (!this.stdin.write(data)) this.socket.pause();
  }

  private resize(size: TerminalSize | undefined): void {
    if (size === undefined) return;
    this.size = size;
    this.changed(size);
  }

  private transmit(channel: Channel, data: Buffer): Promise<void> {
    this.moved();
    return new Promise((resolve, reject) => {
      this.socket.send(this.framing.encode(channel, data), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
}
