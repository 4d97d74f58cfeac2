import type { Log } from '../../base/call-context.js';
import type { FileReads, OpenFile } from '../../ports/file-reads.js';
import type { Files } from '../../ports/files.js';
import { LogFile } from './log-file.js';
import type { RotatedLog } from './log-files.js';
import { packedName, rotatedLogs } from './log-files.js';

export interface LogRunParts {
  files: Pick<Files, 'list' | 'watch'>;
  fileReads: FileReads;
  log: Log;
}

/** Where one run of a container logs to: `name` in the folder `dir`, and the files beside it that it was rotated to. */
export interface LogPlace {
  dir: string;
  /** Such as `0.log`. */
  name: string;
}

/**
 * The files of one run in their order, while they are written, rotated, packed and removed. A file is the same one under
 * all its names, told by its identity; a packed one, which is a new file, by how its text begins.
 */
export class LogRun {
  constructor(
    private readonly place: LogPlace,
    private readonly parts: LogRunParts,
  ) {}

  /** All files as they are at one moment, open, oldest first. Empty where nothing was logged to yet. */
  async open(): Promise<LogFile[]> {
    for (;;) {
      const files: LogFile[] = [];
      const current = await this.openCurrent();
      let stays = false;
      try {
        const rotated = await this.listRotated();
        for (const one of rotated) {
          const file = await this.openRotated(one);
          if (file !== undefined) files.push(file);
        }
        stays = await this.isCurrent(current?.identity);
        if (stays && current !== undefined) files.push(this.currentFile(current, rotated));
      } finally {
        if (!stays) {
          await closeAll(files);
          await current?.close();
        }
      }
      if (stays) return files;
    }
  }

  /** The file that the run went on with after `file`, open; undefined while there is none, and `file` may still grow. */
  async next(file: LogFile): Promise<LogFile | undefined> {
    const current = await this.openCurrent();
    if (current?.identity === file.identity) {
      await current.close();
      return undefined;
    }
    let isKept = false;
    try {
      const rotated = await this.listRotated();
      for (const one of await this.later(file, rotated, current !== undefined)) {
        const opened = await this.openRotated(one);
        if (opened !== undefined) return opened;
      }
      isKept = true;
      return current && this.currentFile(current, rotated);
    } finally {
      if (!isKept) await current?.close();
    }
  }

  /** The rotated files after `file`. Its own stamp is found out on the way. */
  private async later(file: LogFile, rotated: RotatedLog[], isOver: boolean): Promise<RotatedLog[]> {
    const candidates = rotated.filter(({ stamp }) => stamp > file.after);
    if (file.stamp === undefined)
      for (const one of candidates)
        if (await this.isSame(file, one)) {
          file.stamp = one.stamp;
          break;
        }
    const { stamp } = file;
    const later = stamp === undefined ? candidates : candidates.filter((one) => one.stamp > stamp);
    const isThere = rotated.some((one) => one.stamp === stamp);
    // A file that is gone may have taken later ones along: they go oldest first, but nothing tells how many went.
    if (!isThere && (later.length > 0 || isOver))
      this.parts.log.warn(
        { dir: this.place.dir, file: file.name, next: later[0]?.name ?? this.place.name },
        'a reader of a log was overtaken by its rotation: files in between may be missing',
      );
    return later;
  }

  private async isSame(file: LogFile, one: RotatedLog): Promise<boolean> {
    const other = await this.openRotated(one);
    if (other === undefined) return false;
    try {
      if (!other.packed) return other.identity === file.identity;
      // Times are of nanoseconds: no two files of a run begin with the same line. One that is empty is like the first such.
      const [ours, theirs] = [await file.firstBlock(), await other.firstBlock()];
      const length = Math.min(ours.length, theirs.length);
      return length === 0
        ? ours.length === theirs.length
        : ours.subarray(0, length).equals(theirs.subarray(0, length));
    } finally {
      await other.close();
    }
  }

  private currentFile(file: OpenFile, rotated: readonly RotatedLog[]): LogFile {
    const after = rotated.at(-1)?.stamp ?? '';
    return new LogFile(
      file,
      { name: this.place.name, packed: false, stamp: undefined, after },
      this.parts.log,
    );
  }

  private openCurrent(): Promise<OpenFile | undefined> {
    return this.parts.fileReads.open(`${this.place.dir}/${this.place.name}`);
  }

  private async isCurrent(identity: string | undefined): Promise<boolean> {
    const current = await this.openCurrent();
    await current?.close();
    return current?.identity === identity;
  }

  private async listRotated(): Promise<RotatedLog[]> {
    return rotatedLogs(this.place.name, await this.parts.files.list(this.place.dir));
  }

  /** Undefined when it has been removed since it was listed. */
  private async openRotated({ name, stamp, packed }: RotatedLog): Promise<LogFile | undefined> {
    const names = packed ? [name] : [name, packedName(name)];
    for (const one of names) {
      const file = await this.parts.fileReads.open(`${this.place.dir}/${one}`);
      if (file === undefined) continue;
      return new LogFile(
        file,
        { name: one, packed: packed || one !== name, stamp, after: stamp },
        this.parts.log,
      );
    }
    return undefined;
  }
}

export async function closeAll(files: readonly LogFile[]): Promise<void> {
  for (const file of files) await file.close();
}
