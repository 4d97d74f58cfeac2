/** Takes bytes, and resolves when more may come. */
export type Write = (bytes: Buffer) => void | Promise<void>;

/** What one log is printed through. */
export interface LogPrinter {
  write: (bytes: Buffer) => Promise<void>;
  /** Prints what has no newline, and lets others go on. */
  end: () => Promise<void>;
}

/** A line that is longer is no longer kept: it is printed as it comes, and the other logs wait for its end. */
const maxHeldBytes = 64 * 1024;
const newline = 0x0a;

/**
 * Prints several logs that come at once, by whole lines, each line behind the prefix of its log. A log that ends within a
 * line gets a newline, for the next one not to follow on it.
 */
export class LogLines {
  /** Ends when whoever prints has come to the end of a line. */
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly out: Write) {}

  printer(prefix: string): LogPrinter {
    const head = Buffer.from(prefix);
    let held: Buffer[] = [];
    let heldBytes = 0;
    /** Set in the midst of a line that is printed as it comes. */
    let release: (() => void) | undefined;
    const hold = (bytes: Buffer): void => {
      if (bytes.length === 0) return;
      held.push(bytes);
      heldBytes += bytes.length;
    };
    const take = (): Buffer => {
      const bytes = Buffer.concat(held);
      held = [];
      heldBytes = 0;
      return bytes;
    };

    return {
      write: async (bytes) => {
        const end = bytes.lastIndexOf(newline) + 1;
        if (end > 0) {
          hold(bytes.subarray(0, end));
          const isBegun = release !== undefined;
          release ??= await this.takeTurn();
          await this.out(prefixed(take(), head, isBegun));
          release();
          release = undefined;
        }
        hold(Buffer.from(bytes.subarray(end)));
        if (heldBytes <= maxHeldBytes && release === undefined) return;
        const isBegun = release !== undefined;
        release ??= await this.takeTurn();
        await this.out(prefixed(take(), head, isBegun));
      },
      end: async () => {
        if (heldBytes > 0 || release !== undefined) {
          const isBegun = release !== undefined;
          release ??= await this.takeTurn();
          hold(Buffer.from('\n'));
          await this.out(prefixed(take(), head, isBegun));
        }
        release?.();
        release = undefined;
      },
    };
  }

  private async takeTurn(): Promise<() => void> {
    const before = this.turn;
    let release: () => void = () => undefined;
    this.turn = new Promise((resolve) => (release = resolve));
    await before;
    return release;
  }
}

/** Puts the prefix ahead of each line that begins in `bytes`; the first goes on with one that has begun when `isBegun`. */
function prefixed(bytes: Buffer, prefix: Buffer, isBegun: boolean): Buffer {
  if (prefix.length === 0) return bytes;
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(newline, at) + 1 || bytes.length;
    if (at > 0 || !isBegun) pieces.push(prefix);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return Buffer.concat(pieces);
}
