import { basename, dirname } from 'node:path';
import type { Log } from '../../base/call-context.js';
import { asNodeletError } from '../../base/errors.js';
import type { KeyedQueue } from '../../base/keyed-queue.js';
import { isBelow } from '../../base/path-below.js';
import type { Files } from '../../ports/files.js';
import { halfPackedName, packedName } from './log-files.js';

interface Packing {
  /** Whose turns it takes. */
  turn: string;
  file: string;
}

/** Packs rotated logs in the background, one at a time, so that at most one core is busy with it. */
export class LogPacker {
  private waiting: Packing[] = [];
  private current: (Packing & { abort: AbortController; done: Promise<void> }) | undefined;

  constructor(
    private readonly parts: { files: Files; log: Log },
    private readonly turns: KeyedQueue<string>,
    private readonly signal: AbortSignal,
  ) {}

  /** Packs the file sometime; once, however often it is asked for before that. */
  add(packing: Packing): void {
    if (this.isAt(packing.file) || this.waiting.some(({ file }) => file === packing.file)) return;
    this.waiting.push(packing);
    this.next();
  }

  isAt(file: string): boolean {
    return this.current?.file === file;
  }

  /** Forgets what is below the folder, and resolves when none of it is being packed. */
  async release(folder: string): Promise<void> {
    this.waiting = this.waiting.filter(({ file }) => !isBelow(file, folder));
    const { current } = this;
    if (current === undefined || !isBelow(current.file, folder)) return;
    current.abort.abort();
    await current.done;
  }

  private next(): void {
    if (this.current !== undefined || this.signal.aborted) return;
    const packing = this.waiting.shift();
    if (packing === undefined) return;
    const abort = new AbortController();
    const done = this.pack(packing, AbortSignal.any([abort.signal, this.signal]))
      .catch((thrown: unknown) => {
        if (abort.signal.aborted || this.signal.aborted) return;
        this.parts.log.warn({ file: packing.file, err: asNodeletError(thrown) }, 'a log could not be packed');
      })
      .then(() => {
        this.current = undefined;
        this.next();
      });
    this.current = { ...packing, abort, done };
  }

  private async pack({ turn, file }: Packing, signal: AbortSignal): Promise<void> {
    const { files } = this.parts;
    if ((await files.stat(file)) === undefined) return;
    const inFolder = (name: string) => `${dirname(file)}/${name}`;
    const half = inFolder(halfPackedName(basename(file)));
    await files.gzip({ from: file, to: half }, signal);
    await this.turns.run(turn, async () => {
      // It may have been one too many meanwhile.
      if ((await files.stat(file)) === undefined) return files.removeTree(half);
      await files.rename(half, inFolder(packedName(basename(file))));
      await files.removeTree(file);
    });
  }
}
