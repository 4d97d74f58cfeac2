import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

/** What a log holds of one stream on which a container counts, one number a line. */
export interface Count {
  first: number | undefined;
  last: number | undefined;
  lines: number;
  /** Where a line is missing, twice there, or out of order: the first few, empty for a sound log. */
  breaks: string[];
}

const maxBreaks = 5;

/** All files of the run that logs to `current`, oldest first, unpacked: the rotated ones in the order of their names, then itself. */
export function logFilesOf(current: string): string[] {
  const [dir, name] = [path.dirname(current), path.basename(current)];
  const rotated = fs
    .readdirSync(dir)
    .filter((each) => each.startsWith(`${name}.`) && !each.endsWith('.tmp'))
    .sort();
  // Packed, and the plain one not removed yet: the same lines.
  const once = rotated.filter((each) => !each.endsWith('.gz') || !rotated.includes(each.slice(0, -3)));
  return [...once, ...(fs.existsSync(current) ? [name] : [])].map((each) => path.join(dir, each));
}

/** The text of a file of a log, which may be packed between its listing and now. */
export function readLogFile(file: string): string {
  const plain = fs.existsSync(file) || file.endsWith('.gz') ? file : `${file}.gz`;
  const content = fs.readFileSync(plain);
  return (plain.endsWith('.gz') ? gunzipSync(content) : content).toString('latin1');
}

/** Counts what the run that logs to `current` has printed, over all its files; parts of lines are joined. */
export function countLines(current: string): Record<'stdout' | 'stderr', Count> {
  const counters = { stdout: new Counter(), stderr: new Counter() };
  for (const file of logFilesOf(current)) {
    for (const line of readLogFile(file).split('\n')) {
      if (line === '') continue;
      const match = /^\S+ (stdout|stderr) ([PF]) (.*)$/s.exec(line);
      if (match === null) throw new Error(`${file} has a line that is none of a log: ${line.slice(0, 200)}`);
      counters[match[1] as 'stdout' | 'stderr'].take(match[3] ?? '', { whole: match[2] === 'F', file });
    }
  }
  return { stdout: counters.stdout.count, stderr: counters.stderr.count };
}

class Counter {
  readonly count: Count = { first: undefined, last: undefined, lines: 0, breaks: [] };
  private part = '';

  take(text: string, { whole, file }: { whole: boolean; file: string }): void {
    this.part += text;
    if (!whole) return;
    const number = Number(this.part.trim());
    this.part = '';
    const { count } = this;
    const expected = count.last === undefined ? number : count.last + 1;
    if (number !== expected && count.breaks.length < maxBreaks)
      count.breaks.push(`${path.basename(file)}: ${number} where ${expected} was to come`);
    count.first ??= number;
    count.last = number;
    count.lines += 1;
  }
}
