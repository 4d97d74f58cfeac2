import type { Duplex } from 'node:stream';
import { NodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';

/**
 * The monitor writes a container's output to all that are attached before it reads on, so a client that takes nothing
 * holds back the container and its log. After so long it is let go of (ADR 20).
 */
export const stallPatienceMs = 10_000;

/** Waits for the reader of a stream that is full. One that takes a little now and then is slow, one that takes nothing stalls. */
export class ReaderPatience {
  private cancel: () => void = () => undefined;

  constructor(
    private readonly clock: Clock,
    private readonly stalled: (error: NodeletError) => void,
  ) {}

  wait(stream: Duplex, beforeBytes = heldBytes(stream)): void {
    this.cancel = this.clock.after(stallPatienceMs, () => {
      const bytes = heldBytes(stream);
      if (bytes < beforeBytes) this.wait(stream, bytes);
      else this.stalled(stall());
    });
  }

  stop(): void {
    this.cancel();
  }
}

const heldBytes = (stream: Duplex): number => stream.readableLength + stream.writableLength;

const stall = (): NodeletError =>
  new NodeletError(
    'exhausted',
    `the client has taken none of the container's output for ${stallPatienceMs} ms and is detached, so that the container goes on`,
    { remedy: 'attach again and read faster, or read the log, which has all of it' },
  );
