import { visitBackwards } from './entries-backwards.js';
import { EntryCutter } from './entry-cutter.js';
import type { EntrySink } from './entry-cutter.js';
import type { EntryHead } from './log-entry.js';
import type { LogFile } from './log-file.js';

/** Where the last lines of a log begin, looked for from its end through file after file. */
export class TailSearch {
  /** Whether there is an entry behind what has been looked through: it begins a line where what is ahead of it ends one. */
  private entryBehind = false;

  /** @param lines How many are wanted, at least one. */
  constructor(private lines: number) {}

  /**
   * Looks through the file before those that it has seen. The lines begin at a position in it, where the next file begins
   * (`behind`), or further ahead (undefined).
   */
  lookThrough(file: LogFile): Promise<number | 'behind' | undefined> {
    return file.packed ? this.unpack(file) : this.lookBack(file);
  }

  private async lookBack(file: LogFile): Promise<number | 'behind' | undefined> {
    let found: number | 'behind' | undefined;
    let nextBegins: number | undefined;
    await visitBackwards(file, ({ position, torn, endsLine }) => {
      if (torn) return false;
      if (this.isFound(endsLine)) {
        found = nextBegins ?? 'behind';
        return true;
      }
      nextBegins = position;
      return false;
    });
    return found;
  }

  /** What is packed can only be read forwards: its lines are counted first, and the right one is looked for then. */
  private async unpack(file: LogFile): Promise<number | 'behind' | undefined> {
    const count = await lineBegins(file);
    if (count.last === undefined) return undefined;
    if (this.isFound(count.last.endsLine)) return 'behind';
    if (count.begun >= this.lines) return (await lineBegins(file, count.begun - this.lines)).position;
    this.lines -= count.begun;
    return undefined;
  }

  /** Takes in the entry ahead of all that were seen. */
  private isFound(endsLine: boolean): boolean {
    if (this.entryBehind && endsLine) this.lines -= 1;
    this.entryBehind = true;
    return this.lines === 0;
  }
}

/** Counts the lines that begin in a file, and tells where the one with the number `wanted`, from 0, does. */
async function lineBegins(file: LogFile, wanted?: number): Promise<LineBegins> {
  const begins = new LineBegins(wanted);
  const cutter = new EntryCutter(begins);
  for await (const block of file.blocks(0)) {
    cutter.push(block);
    if (begins.position !== undefined) return begins;
  }
  cutter.finish();
  return begins;
}

class LineBegins implements EntrySink {
  /** Lines that begin behind the end of another one: of the file's first entry nobody here knows what is ahead. */
  begun = 0;
  position: number | undefined;
  last: { partial: boolean; endsLine: boolean } | undefined;

  constructor(private readonly wanted: number | undefined) {}

  begin(head: EntryHead | undefined, _bytes: Buffer, _from: number, position: number): void {
    if (this.last?.endsLine === true) {
      if (this.begun === this.wanted) this.position ??= position;
      this.begun += 1;
    }
    this.last = { partial: head?.partial ?? false, endsLine: false };
  }

  text(): void {}

  end(): void {
    if (this.last?.partial === false) this.last.endsLine = true;
  }
}
