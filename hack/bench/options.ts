import { parseArgs } from 'node:util';

/** Groups of measurements, in the order of a run. */
export const groups = ['cycles', 'execs', 'streams', 'lists'] as const;
export type Group = (typeof groups)[number];

/** What one run of the benchmark does; every number can be set by a flag. */
export interface BenchOptions {
  /** CRI socket of a runtime that runs already; undefined: a nodelet of the benchmark's own. */
  socket: string | undefined;
  /** An image that the runtime of `socket` can pull; undefined: a tiny one from the benchmark's registry. */
  image: string | undefined;
  peer: 'containerd' | undefined;
  peerRuntime: 'runc' | 'crun';
  only: readonly Group[];
  /** Rounds; within each, every runtime is measured once, in alternating order. */
  rounds: number;
  /** Whole pod cycles per round, one at a time. */
  cycles: number;
  /** Whole pod cycles per round, with `inFlight` of them at once. */
  cyclesInFlight: number;
  inFlight: number;
  /** Commands per round, of each way to run one. */
  execs: number;
  /** Mebibytes that go through each kind of stream per round; a sixteenth of it where they pass the log. */
  streamMib: number;
  /** Forwarded connections per round. */
  connections: number;
  /** Numbers of pods, rising, that idle while listings are measured; memory is measured at the first. */
  pods: readonly number[];
  json: string | undefined;
}

const usage = `usage: npm run bench -- [options]
  --socket PATH          measure the CRI runtime that listens there (default: a nodelet of the benchmark's own)
  --image REF            image to run (default: a tiny one from a registry on loopback)
  --peer containerd      install and start Debian's containerd beside it, and print the ratios
  --peer-runtime NAME    OCI runtime of the peer: runc (default) or crun
  --only GROUP,GROUP     only these of cycles, execs, streams, lists (default: all)
  --rounds N             rounds, the runtimes taking turns in each (default 6)
  --cycles N             pod cycles per round, one at a time (default 6)
  --cycles-in-flight N   pod cycles per round, several at once (default 24)
  --in-flight N          how many at once (default 8)
  --execs N              commands per round, by ExecSync and by Exec each (default 20)
  --stream-mib N         MiB through each kind of stream per round (default 1024)
  --connections N        forwarded connections per round (default 50)
  --pods N,N             idle pods for listings, memory at the first (default 50,200)
  --quick                few of everything, to see that it works
  --json FILE            write the results there, too`;

const defaults = {
  rounds: 6,
  cycles: 6,
  cyclesInFlight: 24,
  inFlight: 8,
  execs: 20,
  streamMib: 1024,
  connections: 50,
  pods: [50, 200],
};
const quick: typeof defaults = {
  rounds: 1,
  cycles: 2,
  cyclesInFlight: 4,
  inFlight: 4,
  execs: 3,
  streamMib: 16,
  connections: 3,
  pods: [2],
};

/** The options of a command line, or the text to print instead of running. Throws for what it doesn't know. */
export function parseOptions(argv: readonly string[]): BenchOptions | { help: string } {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      socket: { type: 'string' },
      image: { type: 'string' },
      peer: { type: 'string' },
      'peer-runtime': { type: 'string', default: 'runc' },
      only: { type: 'string' },
      rounds: { type: 'string' },
      cycles: { type: 'string' },
      'cycles-in-flight': { type: 'string' },
      'in-flight': { type: 'string' },
      execs: { type: 'string' },
      'stream-mib': { type: 'string' },
      connections: { type: 'string' },
      pods: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { help: usage };
  const amounts = values.quick ? quick : defaults;
  const { peer, 'peer-runtime': peerRuntime } = values;
  if (peer !== undefined && peer !== 'containerd') throw new Error(`--peer: only containerd, not ${peer}`);
  if (peerRuntime !== 'runc' && peerRuntime !== 'crun') {
    throw new Error(`--peer-runtime: runc or crun, not ${peerRuntime}`);
  }
  return {
    socket: values.socket,
    image: values.image,
    peer,
    peerRuntime,
    only: chosenGroups(values.only),
    rounds: amount('rounds', values.rounds, amounts.rounds),
    cycles: amount('cycles', values.cycles, amounts.cycles),
    cyclesInFlight: amount('cycles-in-flight', values['cycles-in-flight'], amounts.cyclesInFlight),
    inFlight: amount('in-flight', values['in-flight'], amounts.inFlight),
    execs: amount('execs', values.execs, amounts.execs),
    streamMib: amount('stream-mib', values['stream-mib'], amounts.streamMib),
    connections: amount('connections', values.connections, amounts.connections),
    pods: risingAmounts('pods', values.pods) ?? amounts.pods,
    json: values.json,
  };
}

function chosenGroups(given: string | undefined): readonly Group[] {
  if (given === undefined) return groups;
  return given.split(',').map((name) => {
    const group = groups.find((known) => known === name);
    if (group === undefined) throw new Error(`--only: of ${groups.join(', ')}, not ${given}`);
    return group;
  });
}

/** Several amounts in one flag, smallest first. */
function risingAmounts(flag: string, given: string | undefined): number[] | undefined {
  return given
    ?.split(',')
    .map((one) => amount(flag, one, 0))
    .sort((a, b) => a - b);
}

function amount(flag: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`--${flag}: a whole number from 1 on, not ${given}`);
}
