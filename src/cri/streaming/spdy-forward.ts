import type { Clock } from '../../ports/clock.js';
import type { ForwardSession } from '../../ports/cri/streaming.js';
import { forward } from './forward-connection.js';
import type { SpdyStream } from './spdy/stream.js';

/** How long a client may take between the two streams of a connection. */
const pairingMs = 30_000;
const maxPort = 65_535;

interface Pair {
  error: SpdyStream | undefined;
  data: SpdyStream | undefined;
  port: string;
  cancel: () => void;
}

/**
 * Forwards ports for a client that speaks SPDY: each connection is a stream for errors and one for data, which the headers
 * `requestID` and `port` make a pair. Clients before Kubernetes 1.2 send no id; they open the two one after the other.
 */
export class SpdyForward {
  private readonly pairs = new Map<string, Pair>();

  constructor(
    private readonly session: ForwardSession,
    private readonly clock: Clock,
  ) {}

  /** Takes a stream that the client has opened; false for one that belongs to no connection to a port. */
  accept(stream: SpdyStream): boolean {
    const type = stream.headers.get('streamtype');
    const port = stream.headers.get('port') ?? '';
    if (type !== 'error' && type !== 'data') return false;
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > maxPort) return false;
    const key = stream.headers.get('requestid') ?? String(type === 'error' ? stream.id : stream.id - 2);
    const pair = this.pairs.get(key) ?? this.open(key, port);
    if (pair[type] !== undefined || pair.port !== port) return false;
    pair[type] = stream;
    // One that goes before its other half has come leaves nothing to wait for.
    stream.once('close', () => {
      if (this.pairs.get(key) !== pair) return;
      this.drop(key);
      pair.data?.destroy();
      pair.error?.end();
    });
    // Clients write nothing into it, and what they end there is to be seen.
    if (type === 'error') stream.resume();
    const { error, data } = pair;
    if (error !== undefined && data !== undefined) {
      this.drop(key);
      void this.serve(Number(port), { error, data });
    }
    return true;
  }

  /** Lets go of what waits for its other half. */
  stop(): void {
    for (const key of this.pairs.keys()) this.drop(key);
  }

  private open(key: string, port: string): Pair {
    const cancel = this.clock.after(pairingMs, () => {
      this.drop(key);
      pair.data?.destroy();
      pair.error?.end(`the client has not opened both streams of its connection to port ${port} in time`);
    });
    const pair: Pair = { error: undefined, data: undefined, port, cancel };
    this.pairs.set(key, pair);
    return pair;
  }

  private drop(key: string): void {
    this.pairs.get(key)?.cancel();
    this.pairs.delete(key);
  }

  private async serve(port: number, { error, data }: { error: SpdyStream; data: SpdyStream }): Promise<void> {
    // Whoever waits for the end of the errors has all of the data by then.
    data.once('finish', () => error.end());
    data.once('close', () => error.end());
    const fail = (message: string): void => {
      error.write(message);
      data.end();
      data.resume();
    };
    await forward({ port, data, fail }, this.session);
  }
}
