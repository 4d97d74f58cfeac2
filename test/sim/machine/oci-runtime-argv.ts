const verbs = ['run', 'create', 'start', 'delete', 'state', 'kill', 'exec'] as const;

/** One call of the OCI runtime's command line. */
export interface RuntimeArgv {
  verb: (typeof verbs)[number];
  id: string;
  /** State folder of the container: `--root` and the id. */
  dir: string;
  bundle: string;
  pidFile: string | undefined;
  log: string | undefined;
  /** File with the process that `exec` runs. */
  processFile: string;
  force: boolean;
  /** What follows the id. */
  args: string[];
}

const withValue = new Set([
  '--root',
  '--log',
  '--log-format',
  '--bundle',
  '-b',
  '--pid-file',
  '--cwd',
  '--process',
]);
const switches = new Set(['--detach', '-d', '--force', '-f', '--systemd-cgroup', '--no-pivot']);

/** Reads the command line of crun or runc; an option the model doesn't know fails the test that uses it. */
export function parseRuntimeArgv([, ...rest]: readonly string[]): RuntimeArgv {
  const options = new Map<string, string>();
  const words: string[] = [];
  while (rest.length > 0 && words.length < 2) {
    const word = rest.shift() ?? '';
    if (withValue.has(word)) options.set(word, rest.shift() ?? '');
    else if (switches.has(word)) options.set(word, '');
    else if (word.startsWith('-')) throw new Error(`the runtime's model doesn't know ${word}`);
    else words.push(word);
  }
  const [given = '', id = ''] = words;
  const verb = verbs.find((known) => known === given);
  if (verb === undefined) throw new Error(`the runtime's model doesn't know "${given}"`);
  return {
    verb,
    id,
    dir: `${options.get('--root') ?? '/run/crun'}/${id}`,
    bundle: options.get('--bundle') ?? options.get('-b') ?? '.',
    pidFile: options.get('--pid-file'),
    log: options.get('--log'),
    processFile: options.get('--process') ?? '',
    force: options.has('--force') || options.has('-f'),
    args: rest,
  };
}
