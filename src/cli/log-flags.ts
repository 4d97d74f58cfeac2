import { NodeletError } from '../base/errors.js';

/** Flags of `nodelet logs`, as commander gives them. */
export interface LogFlags {
  namespace: string;
  container: string[];
  allContainers?: boolean;
  selector?: string;
  follow?: boolean;
  previous?: boolean;
  tail?: string;
  since?: string;
  sinceTime?: string;
  timestamps?: boolean;
  limitBytes?: string;
  stream?: 'all' | 'stdout' | 'stderr';
  prefix?: boolean;
  color: 'auto' | 'always' | 'never';
  maxLogRequests: string;
  ignoreErrors?: boolean;
}

/** Lines of each log that a selector shows unless it is told how many, as kubectl does. */
const selectedTail = '10';
const streams = { all: undefined, stdout: 'Stdout', stderr: 'Stderr' };

/** The query that asks the API for one log, but for its container. `invalid` names the flag. */
export function logQuery(flags: LogFlags): Record<string, string | undefined> {
  const on = (flag: boolean | undefined): string | undefined => (flag === true ? 'true' : undefined);
  if (flags.since !== undefined && flags.sinceTime !== undefined)
    throw new NodeletError('invalid', 'excludes --since: only one of them can be given', {
      field: '--since-time',
    });
  const tail = flags.tail ?? (flags.selector === undefined ? undefined : selectedTail);
  return {
    follow: on(flags.follow),
    // Without the run before being asked for, somebody who follows means the container and not one run of it.
    followRestarts: on(flags.follow === true && flags.previous !== true),
    previous: on(flags.previous),
    timestamps: on(flags.timestamps),
    // kubectl's way to say: all of them.
    tailLines: tail === '-1' ? undefined : wholeNumber('--tail', tail, 0),
    limitBytes: flags.limitBytes === '0' ? undefined : wholeNumber('--limit-bytes', flags.limitBytes, 1),
    sinceSeconds: flags.since === undefined ? undefined : sinceSeconds(flags.since),
    sinceTime: flags.sinceTime,
    stream: streams[flags.stream ?? 'all'],
  };
}

export function wholeNumber(flag: string, text: string | undefined, min: number): string | undefined {
  if (text === undefined || (/^\d{1,15}$/.test(text) && Number(text) >= min)) return text;
  throw new NodeletError('invalid', `must be a whole number from ${min}, but is ${text}`, { field: flag });
}

const unitSeconds: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Whole seconds, at least one, of a duration such as `5m`, `1h30m` or `0.5s`; undefined, all, of `0s`. */
function sinceSeconds(text: string): string | undefined {
  const refusal = new NodeletError('invalid', `must be a duration such as 30s, 5m or 1h30m, but is ${text}`, {
    field: '--since',
  });
  if (/^0(s|m|h|ms)?$/.test(text)) return undefined;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) throw refusal;
  let seconds = 0;
  for (const [, count, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    seconds += Number(count) * (unitSeconds[unit] ?? 0);
  return String(Math.max(1, Math.round(seconds)));
}
