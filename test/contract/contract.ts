import { NodeletError } from '../../src/base/errors.js';
import type { Host } from '../../src/ports/host.js';
import type { ProcessIdentity } from '../../src/ports/processes.js';

/** Where somebody listens: at a port of a namespace's loopback, or for packets at a path. */
export type ListenAt =
  { netnsPath: string; address: '127.0.0.1' | '::1'; port: number } | { packets: string };

/** One machine, modelled or real, with a folder and names that nobody else uses. */
export interface ContractWorld {
  host: Host;
  /** Absolute, empty, without a final slash. */
  dir: string;
  /** A root file system with busybox as /bin/sh, /bin/sleep and /bin/true. */
  rootfs: string;
  /** Six hexadecimal digits for names outside of `dir`: links, tables, cgroups. */
  suffix: string;
  /** Waits for `work`; on the model, virtual time passes meanwhile. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** A process of somebody else's that lives until it is killed. */
  spawnOther(): Promise<ProcessIdentity>;
  /** Somebody who listens there and sends back what comes, until the case is over. */
  listen(at: ListenAt): Promise<void>;
  /** Ports of the same machine and store after the agent has ended and come back. */
  reopen(): Promise<Host>;
  /** Removes everything the case has made. */
  end(): Promise<void>;
}

export type ContractFactory = () => Promise<ContractWorld>;
/** What callers rely on, each as a sentence with its proof. */
export type ContractCases = Record<string, (world: ContractWorld) => Promise<void>>;

/** Declares one port's contract for one kind of machine. */
export function declareContract(port: string, factory: ContractFactory, cases: ContractCases): void {
  describe(`contract of ${port}`, () => {
    let world: ContractWorld | undefined;
    // Here and not in the case: it runs also when a proof has hung.
    afterEach(async () => {
      const used = world;
      world = undefined;
      await used?.run(() => used.end());
    });
    for (const [sentence, proof] of Object.entries(cases)) {
      it(sentence, async () => {
        const used = await factory();
        world = used;
        await used.run(() => proof(used));
      });
    }
  });
}

/** The kind of the NodeletError that `work` rejects with, `done` when it resolves. */
export async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (thrown) {
    return thrown instanceof NodeletError ? thrown.kind : String(thrown);
  }
}

const pollMs = 5;
const patienceMs = 10_000;

/** Waits until `look` gives something; fails with `what` after ten seconds. */
export async function eventually<T>(
  { host }: ContractWorld,
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const endMs = host.clock.monotonicMs() + patienceMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (host.clock.monotonicMs() > endMs) throw new Error(`did not come: ${what}`);
    await host.clock.sleep(pollMs);
  }
}
