import { Readable } from 'node:stream';
import { NodeletError } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { TerminalSize } from '../../ports/interactive-processes.js';
import { decodeSize, maxSizeBytes } from './channels.js';
import type { CommandClient, CommandStreams } from './command-client.js';
import type { Outcome } from './outcome.js';
import { encodeOutcome, encodeOutcomeText } from './outcome.js';
import { tellsSizes, tellsStatus } from './protocols.js';
import type { SpdyConnection } from './spdy/connection.js';
import type { SpdyStream } from './spdy/stream.js';

const streamTypes = ['error', 'stdin', 'stdout', 'stderr', 'resize'] as const;
type StreamType = (typeof streamTypes)[number];

/** How long a client may take to open its streams. */
const openingMs = 30_000;

/** A client that speaks the remote command protocol over SPDY: one stream for each of stdio, the outcome and sizes. */
export class SpdyCommand implements CommandClient {
  readonly ready: Promise<void>;
  private readonly streams = new Map<StreamType, SpdyStream>();
  private readonly wanted: StreamType[];
  private complete: () => void = () => undefined;
  private size: TerminalSize | undefined;
  private changed: (size: TerminalSize) => void = () => undefined;

  constructor(
    private readonly connection: SpdyConnection,
    { stdin, stdout, stderr, tty }: CommandStreams,
    private readonly options: { protocol: string; clock: Clock },
  ) {
    const asked = { error: true, stdin, stdout, stderr, resize: tty && tellsSizes(options.protocol) };
    this.wanted = streamTypes.filter((type) => asked[type]);
    this.ready = this.opened();
    // It may fail before anybody looks.
    this.ready.catch(() => undefined);
  }

  get gone(): AbortSignal {
    return this.connection.gone;
  }

  get stdin(): Readable {
    return this.streams.get('stdin') ?? Readable.from([]);
  }

  /** Takes a stream that the client has opened; false for one without a use, or a second one of its type. */
  accept(stream: SpdyStream): boolean {
    const type = streamTypes.find((known) => known === stream.headers.get('streamtype'));
    if (type === undefined || this.streams.has(type)) return false;
    this.streams.set(type, stream);
    if (type === 'resize') this.followSizes(stream);
    // Clients write nothing into the others, and what they end there is to be seen.
    else if (type !== 'stdin') stream.resume();
    if (this.missing().length === 0) this.complete();
    return true;
  }

  onSize(changed: (size: TerminalSize) => void): void {
    this.changed = changed;
    if (this.size !== undefined) changed(this.size);
  }

  async send(name: 'stdout' | 'stderr', data: Buffer): Promise<void> {
    const stream = this.streams.get(name);
    if (stream === undefined || stream.destroyed)
      throw new NodeletError('canceled', `the client has closed its ${name}`);
    await write(stream, data);
  }

  async finish(outcome: Outcome): Promise<void> {
    const isStatus = tellsStatus(this.options.protocol);
    const told = isStatus ? encodeOutcome(outcome) : encodeOutcomeText(outcome);
    const error = this.streams.get('error');
    if (error !== undefined && told.length > 0) await write(error, told).catch(() => undefined);
    await Promise.all([...this.streams.values()].map(end));
    this.connection.close();
  }

  private missing(): StreamType[] {
    return this.wanted.filter((type) => !this.streams.has(type));
  }

  private async opened(): Promise<void> {
    const complete = new Promise<void>((resolve) => (this.complete = resolve));
    const patience = new AbortController();
    const late = this.options.clock
      .sleep(openingMs, AbortSignal.any([this.gone, patience.signal]))
      .then(() => {
        const missing = this.missing().join(', ');
        throw new NodeletError(
          'deadline',
          `the client has not opened its streams in time: ${missing} missing`,
        );
      });
    try {
      await Promise.race([complete, late]);
    } finally {
      patience.abort();
      late.catch(() => undefined);
    }
  }

  /** Sizes come as JSON objects, one a line, cut into frames as it happens. */
  private followSizes(stream: SpdyStream): void {
    let text = '';
    stream.on('data', (piece: Buffer) => {
      text += piece.toString('utf8');
      const lines = text.split('\n');
      text = (lines.pop() ?? '').slice(0, maxSizeBytes);
      for (const line of lines) {
        const size = decodeSize(Buffer.from(line));
        if (size === undefined) continue;
        this.size = size;
        this.changed(size);
      }
    });
  }
}

/** Resolves once the connection has taken the bytes. */
function write(stream: SpdyStream, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Ends what is written to the stream; resolves once the connection has taken that, or the stream has gone. */
function end(stream: SpdyStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve();
    stream.once('close', () => resolve());
    stream.end(() => resolve());
  });
}
