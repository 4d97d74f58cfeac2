import type { Log } from '../../base/call-context.js';
import { WakeUp } from '../../base/wake-up.js';
import type { Clock } from '../../ports/clock.js';
import type { LogFile } from './log-file.js';
import type { LogOptions } from './log-options.js';
import type { LogPlace, LogRunParts } from './log-run.js';
import { LogRun, closeAll } from './log-run.js';
import { logStart } from './log-start.js';
import { LogText } from './log-text.js';

export interface RunReaderParts extends LogRunParts {
  clock: Clock;
}

/** What a follower has to know of the run whose log it reads. */
export interface RunLife {
  /** Aborted when nobody reads any more. */
  signal: AbortSignal;
  /** Whether all has been logged that ever will be. */
  ended: () => boolean;
  /** Calls `changed` when `ended` may have another answer; returns the stop function. */
  watch: (changed: () => void) => () => void;
}

type ReadOptions = Omit<LogOptions, 'previous' | 'followRestarts'>;

/** How often a follower looks where nothing has told it to: notifications can get lost. */
const pollMs = 5000;
const newline = 0x0a;

/**
 * The log of one run, its text in pieces of about a block; a reader that is slow holds the next piece back. A follower
 * goes on to the run's end. What a writer has only half written is left out at the end of what is not followed.
 */
export async function* readRun(
  place: LogPlace,
  options: ReadOptions,
  parts: RunReaderParts,
  life: RunLife,
): AsyncGenerator<Buffer, void> {
  const run = new LogRun(place, parts);
  const wakeUp = new WakeUp();
  // Before the first look, so that whatever comes after it is told.
  const stops =
    options.follow === true
      ? [
          parts.files.watch(place.dir, (name) => name.startsWith(place.name) && wakeUp.ring()),
          life.watch(wakeUp.ring),
        ]
      : [];
  life.signal.addEventListener('abort', wakeUp.ring);
  const files: LogFile[] = [];
  try {
    files.push(...(await run.open()));
    const start = await logStart(files, options);
    await closeAll(files.splice(0, start.index));
    const reading = new Reading(options, start.position, life.signal);
    if (options.follow !== true) yield* reading.all(files);
    else yield* reading.follow(files, { run, wakeUp, life, parts });
  } finally {
    for (const stop of stops) stop();
    life.signal.removeEventListener('abort', wakeUp.ring);
    await closeAll(files);
  }
}

/** The place that one reader has come to. */
class Reading {
  private readonly text: LogText;

  constructor(
    options: ReadOptions,
    private position: number,
    private readonly signal: AbortSignal,
  ) {
    this.text = new LogText(options, position);
  }

  /** The text of all files up to their ends of this moment. Those that have been read are closed and leave the list. */
  async *all(files: LogFile[]): AsyncGenerator<Buffer, void> {
    const newest = files.at(-1);
    const endsAt = newest === undefined || newest.packed ? Infinity : await newest.size();
    for (let file = files[0]; file !== undefined; file = files[0]) {
      // A writer that never rests would keep us for ever.
      yield* this.rest(file, file === newest ? endsAt : Infinity);
      if (this.done) return;
      yield* this.leave(files);
    }
  }

  async *follow(
    files: LogFile[],
    { run, wakeUp, life, parts }: { run: LogRun; wakeUp: WakeUp; life: RunLife; parts: RunReaderParts },
  ): AsyncGenerator<Buffer, void> {
    while (!this.done) {
      // Asked before reading: what was logged before the end is then surely seen.
      const ended = life.ended();
      const [file, later] = files;
      const before = this.position;
      if (file !== undefined) yield* this.rest(file);
      if (this.done) return;
      if (file === undefined || later === undefined) {
        if (this.position > before || (await this.wasCutShort(file, parts.log))) continue;
        const found =
          file === undefined ? await run.open() : await run.next(file).then((next) => next && [next]);
        files.push(...(found ?? []));
      }
      const [, next] = files;
      if (file !== undefined && next !== undefined) {
        // Now that there is a next file nothing is added to this one any more.
        yield* this.rest(file);
        yield* this.leave(files);
      } else if (file === files[0]) {
        if (ended) return yield* this.leave(files);
        await wakeUp.wait(parts.clock, pollMs);
      }
    }
  }

  private get done(): boolean {
    return this.text.full || this.signal.aborted;
  }

  /** From where the reader is to the present end of the file, or to the end of the entry that holds the byte before `endsAt`. */
  private async *rest(file: LogFile, endsAt = Infinity): AsyncGenerator<Buffer, void> {
    if (this.done || this.position >= endsAt) return;
    for await (const block of file.blocks(this.position)) {
      const lastByteAt = Math.max(0, endsAt - 1 - this.position);
      const endOfLast = lastByteAt < block.length ? block.indexOf(newline, lastByteAt) : -1;
      this.position += block.length;
      const text = this.text.push(endOfLast < 0 ? block : block.subarray(0, endOfLast + 1));
      if (text.length > 0) yield text;
      if (this.done || endOfLast >= 0) return;
    }
  }

  /** Somebody may empty the file by hand, to have room on the disk: what comes then is at its beginning. */
  private async wasCutShort(file: LogFile | undefined, log: Log): Promise<boolean> {
    if (file === undefined || file.packed || (await file.size()) >= this.position) return false;
    log.warn({ file: file.name }, 'a log that is followed was cut short: reading it from its beginning');
    this.text.endOfFile();
    this.position = 0;
    return true;
  }

  /** Done with the first file: the next one is read from its beginning. */
  private async *leave(files: LogFile[]): AsyncGenerator<Buffer, void> {
    const text = this.text.endOfFile();
    this.position = 0;
    await files.shift()?.close();
    if (text.length > 0) yield text;
  }
}
