import { open } from 'node:fs/promises';
import type { Clock } from '../ports/clock.js';

export interface LogOptions {
  follow?: boolean;
  /** Last lines only. */
  tailLines?: number;
  timestamps?: boolean;
}

const pollMs = 200;
const chunkBytes = 64 * 1024;

/**
 * Text of a container log in CRI format (`<time> <stdout|stderr> <P|F> <text>`): lines of `path`, partial ones joined.
 * With `follow` it goes on until `ended` says so and all is read, or the signal aborts. A missing file is an empty log.
 */
export async function* readContainerLog(
  path: string,
  options: LogOptions,
  clock: Clock,
  signal: AbortSignal,
  ended: () => boolean,
): AsyncGenerator<string> {
  const reader = new LineReader(path);
  try {
    const text = (line: string): string => logText(line, options.timestamps ?? false);
    if (options.tailLines !== undefined) {
      const last: string[] = [];
      for (let lines = await reader.next(); lines.length > 0; lines = await reader.next())
        for (const line of lines) {
          last.push(text(line));
          // A partial line counts together with its end, so whole lines are counted from the back at the end.
          if (last.length > options.tailLines * 2 + 4096)
            last.splice(0, last.length - options.tailLines - 2048);
        }
      yield tail(last, options.tailLines);
    }
    for (;;) {
      // Asked before reading: what was written before the end is then surely seen.
      const over = options.follow !== true || ended();
      const lines = await reader.next();
      if (lines.length > 0) yield lines.map(text).join('');
      else if (over || signal.aborted) return;
      else await clock.sleep(pollMs, signal).catch(() => undefined);
    }
  } finally {
    await reader.close();
  }
}

function tail(parts: string[], count: number): string {
  let start = parts.length;
  for (let whole = 0; start > 0; start -= 1) {
    if (parts[start - 1]?.endsWith('\n') === true) whole += 1;
    if (whole > count) break;
  }
  return parts.slice(start).join('');
}

function logText(line: string, timestamps: boolean): string {
  const match = /^(\S+) (?:stdout|stderr) ([PF])(?::\S+)? ?(.*)$/s.exec(line);
  if (match === null) return `${line}\n`;
  const [, time = '', tag, text = ''] = match;
  return `${timestamps ? `${time} ` : ''}${text}${tag === 'P' ? '' : '\n'}`;
}

/** Whole lines of a growing file. */
class LineReader {
  private handle: Awaited<ReturnType<typeof open>> | undefined;
  private position = 0;
  private rest = Buffer.alloc(0);

  constructor(private readonly path: string) {}

  /** The next whole lines; none when there are no more yet. */
  async next(): Promise<string[]> {
    try {
      this.handle ??= await open(this.path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw thrown;
    }
    const chunk = Buffer.alloc(chunkBytes);
    for (;;) {
      const { bytesRead } = await this.handle.read(chunk, 0, chunkBytes, this.position);
      if (bytesRead === 0) return [];
      this.position += bytesRead;
      this.rest = Buffer.concat([this.rest, chunk.subarray(0, bytesRead)]);
      const end = this.rest.lastIndexOf(10);
      if (end < 0) continue;
      const lines = this.rest.subarray(0, end).toString('utf8').split('\n');
      this.rest = this.rest.subarray(end + 1);
      return lines;
    }
  }

  async close(): Promise<void> {
    await this.handle?.close();
  }
}
