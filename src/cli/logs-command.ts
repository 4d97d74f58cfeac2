import type { Command } from 'commander';
import { Option } from 'commander';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { LogFlags } from './log-flags.js';
import { logQuery, wholeNumber } from './log-flags.js';
import { LogLines } from './log-lines.js';
import type { LogPrinter } from './log-lines.js';
import type { LogSource } from './log-sources.js';
import { logSources } from './log-sources.js';
import type { CliSurface } from './pod-commands.js';
import { namespaceFlag, podPath } from './pod-paths.js';

/** SGR codes of the prefixes, one container after the other: cyan, yellow, green, magenta, blue, red. */
const colors = [36, 33, 32, 35, 34, 31];

/** Adds `logs`, with kubectl's flags where it has them. */
export function addLogs(program: Command, surface: CliSurface): void {
  const collect = (value: string, before: string[]): string[] => [...before, value];
  program
    .command('logs')
    .description('print logs of containers')
    .argument('[pod...]', 'names of pods, also written as pod/NAME')
    .option(...namespaceFlag)
    .option('-c, --container <name>', 'this container, may be repeated', collect, [])
    .option('--all-containers', 'all containers of each pod, init containers too')
    .option('-l, --selector <labels>', 'pods with these labels, e.g. app=web,tier!=db,env in (a,b)')
    .option('-f, --follow', 'go on as lines come, also when the container starts anew')
    .option('-p, --previous', 'of the run before the present one')
    .option('--tail <lines>', 'only the last lines; -1 for all, 10 where a selector is given')
    .option('--since <duration>', 'only what is newer, e.g. 30s, 5m or 1h30m')
    .option('--since-time <time>', 'only what came at this time or later, e.g. 2026-01-31T23:59:59Z')
    .option('--timestamps', 'with the time of each line')
    .option('--limit-bytes <bytes>', 'at most so many bytes of each log')
    .addOption(new Option('--stream <name>', 'only one of the streams').choices(['all', 'stdout', 'stderr']))
    .option('--prefix', 'name the container ahead of each line (default when several are followed)')
    .option('--no-prefix', 'never name it')
    .addOption(
      new Option('--color <when>', 'color these names').choices(['auto', 'always', 'never']).default('auto'),
    )
    .option('--max-log-requests <count>', 'follow at most so many logs at once', '5')
    .option('--ignore-errors', 'tell of a log that fails, and go on with the others')
    .action((pods: string[], flags: LogFlags) => printLogs(pods, flags, surface));
}

async function printLogs(pods: readonly string[], flags: LogFlags, surface: CliSurface): Promise<void> {
  const query = logQuery(flags);
  const most = Number(wholeNumber('--max-log-requests', flags.maxLogRequests, 1));
  const sources = await logSources(surface.api(), pods, flags, surface.err);
  if (sources.length === 0) return surface.err(`No pods found in namespace ${flags.namespace}.\n`);
  const atOnce = flags.follow === true;
  if (atOnce && sources.length > most)
    throw new NodeletError('invalid', `${sources.length} logs would be followed, and at most ${most} may`, {
      field: '--max-log-requests',
      remedy: `allow more with --max-log-requests ${sources.length}`,
    });
  const abort = new AbortController();
  const printers = printersOf(sources, flags, surface);
  const print = async (source: LogSource, printer: LogPrinter): Promise<void> => {
    try {
      const path = `${podPath(flags.namespace, source.pod)}/log`;
      const call = { method: 'GET', path, query: { ...query, container: source.container } } as const;
      await surface.api().stream({ ...call, signal: abort.signal }, printer.write);
    } catch (thrown) {
      if (flags.ignoreErrors !== true) throw thrown;
      surface.err(`nodelet: ${source.pod}/${source.container}: ${asNodeletError(thrown).describe()}\n`);
    } finally {
      await printer.end();
    }
  };
  try {
    if (atOnce) await Promise.all(printers.map(({ source, printer }) => print(source, printer)));
    else for (const { source, printer } of printers) await print(source, printer);
  } finally {
    // After a failure the other logs must not keep the program from ending.
    abort.abort();
  }
}

interface Printed {
  source: LogSource;
  printer: LogPrinter;
}

/** The log of one container alone goes out as it is, byte by byte; so does one after another. */
function printersOf(
  sources: readonly LogSource[],
  flags: LogFlags,
  { out, terminal }: CliSurface,
): Printed[] {
  const severalAtOnce = sources.length > 1 && flags.follow === true;
  const withPrefix = flags.prefix ?? severalAtOnce;
  if (!withPrefix && !severalAtOnce) {
    const printer = { write: async (bytes: Buffer) => out(bytes), end: async () => undefined };
    return sources.map((source) => ({ source, printer }));
  }
  const colored =
    flags.color === 'always' ||
    (flags.color === 'auto' && terminal.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '');
  const lines = new LogLines(out);
  return sources.map((source, index) => {
    const name = `[pod/${source.pod}/${source.container}]`;
    const shown = colored ? `\u001b[${colors[index % colors.length]}m${name}\u001b[39m` : name;
    return { source, printer: lines.printer(withPrefix ? `${shown} ` : '') };
  });
}
