import type { EntryHead } from './log-entry.js';
import { headAt, isTornHead } from './log-entry.js';

/** Hears of entries in their order, piece by piece. What it is given of `bytes` is only valid during the call. */
export interface EntrySink {
  /** An entry begins at `bytes[from]`, in the file at `position`; without a head it is a line in no form, which is text as a whole. */
  begin(head: EntryHead | undefined, bytes: Buffer, from: number, position: number): void;
  /** Some of its text, between two positions of `bytes`. */
  text(bytes: Buffer, from: number, to: number): void;
  /** Its newline has come. */
  end(): void;
}

const newline = 0x0a;

/** Cuts the bytes of a log file into entries as they come. However long an entry is, only its head is ever kept. */
export class EntryCutter {
  private held = Buffer.alloc(0);
  private inEntry = false;

  /** `position`: where in the file the first bytes are from. */
  constructor(
    private readonly sink: EntrySink,
    private position = 0,
  ) {}

  /** Bytes that `push` will look at together with the next ones. */
  get heldBytes(): number {
    return this.held.length;
  }

  push(chunk: Buffer): void {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const base = this.position - this.held.length;
    this.position += chunk.length;
    this.held = Buffer.alloc(0);
    let at = 0;
    while (at < bytes.length) {
      if (!this.inEntry) {
        const head = headAt(bytes, at);
        if (head === 'cut') {
          this.held = Buffer.from(bytes.subarray(at));
          return;
        }
        this.sink.begin(head, bytes, at, base + at);
        this.inEntry = true;
        at = head?.textStart ?? at;
      }
      const end = bytes.indexOf(newline, at);
      this.sink.text(bytes, at, end < 0 ? bytes.length : end);
      if (end < 0) return;
      this.sink.end();
      this.inEntry = false;
      at = end + 1;
    }
  }

  /** The file ends here, and another one begins at the next `push`. */
  finish(): void {
    const rest = this.held;
    if (rest.length > 0 && !isTornHead(rest)) {
      this.sink.begin(undefined, rest, 0, this.position - rest.length);
      this.sink.text(rest, 0, rest.length);
    }
    this.held = Buffer.alloc(0);
    this.inEntry = false;
    this.position = 0;
  }
}
