import type { Clock } from '../ports/clock.js';
import type { Files } from '../ports/files.js';
import type { TerminalSize } from '../ports/interactive-processes.js';
import { resizeCommand } from './conmon.js';

/** conmon 2.1 takes only the first of two sizes that it reads at once. */
const apartMs = 100;

/** What one client wants a container's terminal to be sized, told to the container's monitor through its control pipe. */
export class TerminalSizes {
  private readonly over = new AbortController();
  private wanted: TerminalSize | undefined;
  private isTelling = false;
  private isFirst = true;

  constructor(
    private readonly pipe: string,
    private readonly parts: { files: Pick<Files, 'writeToFifo'>; clock: Clock },
  ) {}

  /** Of sizes that come faster than they can be told, the last one counts. */
  want(size: TerminalSize): void {
    this.wanted = size;
    if (!this.isTelling) void this.tellAll();
  }

  stop(): void {
    this.over.abort();
  }

  private async tellAll(): Promise<void> {
    this.isTelling = true;
    for (let size = this.take(); size !== undefined; size = this.take()) {
      // Programs draw anew when the size changes, and who has just come would see nothing else of them.
      if (this.isFirst) await this.tell({ columns: size.columns + 1, rows: size.rows + 1 });
      this.isFirst = false;
      await this.tell(size);
      // Once more, for a monitor that was too busy to read it apart; a size that stands already changes nothing.
      if (this.wanted === undefined) await this.tell(size);
    }
    this.isTelling = false;
  }

  private take(): TerminalSize | undefined {
    const size = this.over.signal.aborted ? undefined : this.wanted;
    this.wanted = undefined;
    return size;
  }

  private async tell(size: TerminalSize): Promise<void> {
    const { files, clock } = this.parts;
    // A monitor that has ended meanwhile has no terminal either.
    await files.writeToFifo(this.pipe, resizeCommand(size)).catch(() => undefined);
    await clock.sleep(apartMs, this.over.signal).catch(() => undefined);
  }
}
