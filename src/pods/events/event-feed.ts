import { abortReason } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';

/** A reader that is this many events behind has hung, and is told so: each keeps a version of a record in memory, about 1 KB. */
export const readerMaxEvents = 16_384;

/**
 * Passes events on to any number of readers, each at its own pace. Every reader gets all events from its subscription on,
 * in order; one that falls too far behind gets an error in place of the rest, never a silent gap.
 */
export class EventFeed<Event> {
  private readonly readers = new Set<Reader<Event>>();

  /** Whether anybody would see an event: making one can be spared otherwise. */
  get hasReaders(): boolean {
    return this.readers.size > 0;
  }

  publish(event: Event): void {
    for (const reader of this.readers) reader.push(event);
  }

  /** Events from the first `next()` on, until `signal` is aborted or the iteration ends. */
  async *follow(signal: AbortSignal): AsyncGenerator<Event> {
    const reader = new Reader<Event>();
    this.readers.add(reader);
    const leave = (): void => reader.end(abortReason(signal));
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      for (;;) yield await reader.next();
    } finally {
      signal.removeEventListener('abort', leave);
      this.readers.delete(reader);
    }
  }
}

class Reader<Event> {
  private waiting: Event[] = [];
  /** Of the first event in `waiting` that has not been taken. */
  private taken = 0;
  private failure: NodeletError | undefined;
  private wake: () => void = () => undefined;

  push(event: Event): void {
    if (this.failure !== undefined) return;
    if (this.waiting.length - this.taken >= readerMaxEvents) {
      this.end(
        new NodeletError('exhausted', `the client is ${readerMaxEvents} events behind`, {
          remedy: 'list what there is, and ask for the events again',
        }),
      );
      return;
    }
    this.waiting.push(event);
    this.wake();
  }

  end(reason: NodeletError): void {
    this.failure ??= reason;
    this.waiting = [];
    this.taken = 0;
    this.wake();
  }

  async next(): Promise<Event> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      if (this.taken < this.waiting.length) return this.take();
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private take(): Event {
    const event = this.waiting[this.taken] as Event;
    this.taken += 1;
    // Now and then rather than each time: shifting a long array costs its length.
    if (this.taken === this.waiting.length || this.taken >= 1024) {
      this.waiting = this.waiting.slice(this.taken);
      this.taken = 0;
    }
    return event;
  }
}
