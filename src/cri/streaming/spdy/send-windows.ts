import { broken, settingId } from './frames.js';
import type { Frame } from './frames.js';
import { initialWindowBytes } from './stream.js';

/** No window is wider than this, by the protocol. */
const maxWindowBytes = 0x7fffffff;

/** Anything with a window of its own. */
interface Windowed {
  id: number;
  windowBytes: number;
  destroyed: boolean;
}

/**
 * How much may be sent, by flow control as SPDY/3.1 has it: a window for each stream and one for the connection. Go's
 * SPDY library, which kubectl, kubelets and API servers speak with, knows of no windows: it never widens one. So a peer
 * has windows once it has spoken of them, by settings or by widening one, and until then as much as its socket takes.
 */
export class SendWindows {
  private areKept = false;
  private initialBytes = initialWindowBytes;
  private connectionBytes = initialWindowBytes;
  private waiting: (() => void)[] = [];

  constructor(private readonly streams: ReadonlyMap<number, Windowed>) {}

  get initialStreamBytes(): number {
    return this.initialBytes;
  }

  /** Waits until something may be sent, and takes at most `wantedBytes` of it; 0 when the stream has gone. */
  async take(stream: Windowed, wantedBytes: number): Promise<number> {
    while (this.areKept && Math.min(stream.windowBytes, this.connectionBytes) <= 0 && !stream.destroyed)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (stream.destroyed) return 0;
    const most = this.areKept ? Math.min(stream.windowBytes, this.connectionBytes) : wantedBytes;
    const taken = Math.min(most, wantedBytes);
    stream.windowBytes -= taken;
    this.connectionBytes -= taken;
    return taken;
  }

  settings(entries: Extract<Frame, { kind: 'settings' }>['entries']): void {
    const given = entries.find(({ id }) => id === settingId.initialWindowBytes);
    if (given === undefined) return;
    if (given.value > maxWindowBytes) throw broken(`windows of ${given.value} bytes are asked for`);
    this.areKept = true;
    for (const stream of this.streams.values()) {
      stream.windowBytes += given.value - this.initialBytes;
      if (stream.windowBytes > maxWindowBytes) throw overflow(stream.id);
    }
    this.initialBytes = given.value;
    this.wake();
  }

  widen({ streamId, delta }: { streamId: number; delta: number }): void {
    this.areKept = true;
    const stream = this.streams.get(streamId);
    if (streamId === 0) this.connectionBytes += delta;
    else if (stream !== undefined) stream.windowBytes += delta;
    const bytes = streamId === 0 ? this.connectionBytes : (stream?.windowBytes ?? 0);
    if (bytes > maxWindowBytes) throw overflow(streamId);
    this.wake();
  }

  /** Lets those that wait look again. */
  wake(): void {
    for (const look of this.waiting.splice(0)) look();
  }
}

const overflow = (streamId: number): Error =>
  broken(
    `the window of ${streamId === 0 ? 'the connection' : `stream ${streamId}`} is widened beyond all bounds`,
  );
