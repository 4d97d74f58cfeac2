import { EntryCutter } from './entry-cutter.js';
import type { EntrySink } from './entry-cutter.js';
import type { EntryHead } from './log-entry.js';
import { entryTimeNs } from './log-entry.js';
import type { LogOptions } from './log-options.js';

type TextOptions = Pick<LogOptions, 'timestamps' | 'stream' | 'sinceNs' | 'limitBytes'>;

const space = 0x20;
const newline = 0x0a;

/**
 * Turns the bytes of log files into what a reader of the log sees, as they come. Lines are those of the output: parts are
 * joined up to the entry that ends a line, whichever stream that is from. Since when is decided before a stream is chosen.
 */
export class LogText {
  private readonly cutter: EntryCutter;
  private readonly sink: TextSink;

  constructor(options: TextOptions, position: number) {
    this.sink = new TextSink(options);
    this.cutter = new EntryCutter(this.sink, position);
  }

  /** Whether as many bytes have been given as were wanted. */
  get full(): boolean {
    return this.sink.left === 0;
  }

  /** The text in further bytes of the file: never more bytes than these and a head that was kept back. */
  push(chunk: Buffer): Buffer {
    this.sink.out = Buffer.allocUnsafe(chunk.length + this.cutter.heldBytes);
    this.cutter.push(chunk);
    return this.sink.taken();
  }

  /** The text that was kept back at the end of the file. What is pushed next is from the one after it. */
  endOfFile(): Buffer {
    this.sink.out = Buffer.allocUnsafe(this.cutter.heldBytes);
    this.cutter.finish();
    return this.sink.taken();
  }
}

class TextSink implements EntrySink {
  out = Buffer.alloc(0);
  /** Bytes that may still be given. */
  left: number;
  private length = 0;
  private sinceReached: boolean;
  /** In a line, whichever streams its parts are of; and in one of those that are shown. */
  private inLine = false;
  private inShownLine = false;
  private lineWanted = true;
  private entry = { shown: true, partial: false };

  constructor(private readonly options: TextOptions) {
    this.left = options.limitBytes ?? Infinity;
    this.sinceReached = options.sinceNs === undefined;
  }

  taken(): Buffer {
    const text = this.out.subarray(0, this.length);
    this.length = 0;
    return text;
  }

  begin(head: EntryHead | undefined, bytes: Buffer, from: number): void {
    const { stream, timestamps } = this.options;
    if (!this.inLine) this.lineWanted = this.isSince(head, bytes, from);
    this.inLine = true;
    const ofStream = head === undefined || stream === undefined || head.stream === stream;
    this.entry = { shown: this.lineWanted && ofStream, partial: head?.partial ?? false };
    if (this.inShownLine || !this.entry.shown) return;
    this.inShownLine = true;
    if (timestamps !== true || head === undefined) return;
    this.put(bytes, from, head.timeEnd);
    this.putByte(space);
  }

  text(bytes: Buffer, from: number, to: number): void {
    if (this.entry.shown) this.put(bytes, from, to);
  }

  end(): void {
    if (this.entry.partial) return;
    this.inLine = false;
    if (!this.entry.shown) return;
    this.putByte(newline);
    this.inShownLine = false;
  }

  /** All is wanted from the first line on that is: a clock that was set back afterwards hides nothing. */
  private isSince(head: EntryHead | undefined, bytes: Buffer, from: number): boolean {
    if (this.sinceReached) return true;
    const timeNs = head === undefined ? undefined : entryTimeNs(bytes, from, head);
    this.sinceReached = timeNs !== undefined && timeNs >= (this.options.sinceNs ?? 0n);
    return this.sinceReached;
  }

  private put(bytes: Buffer, from: number, to: number): void {
    const count = Math.min(to - from, this.left);
    bytes.copy(this.out, this.length, from, from + count);
    this.length += count;
    this.left -= count;
  }

  private putByte(byte: number): void {
    if (this.left === 0) return;
    this.out[this.length] = byte;
    this.length += 1;
    this.left -= 1;
  }
}
