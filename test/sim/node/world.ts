import { silentLog } from '../../../src/base/call-context.js';
import { createRooms } from '../../../src/main/rooms.js';
import type { OwnRuntimeVerbs } from '../../../src/ports/cri/runtime.js';
import type { FaultPlan, InFlight } from '../host/session.js';
import { Session, never } from '../host/session.js';
import { simHost } from '../host/sim-host.js';
import { SimMachine } from '../machine/machine.js';
import { simConfig } from './sim-config.js';
import { simImages, unpackImages } from './sim-images.js';

const noStreams = {
  offerCommand: (): never => {
    throw new Error('the model has no streaming server');
  },
  offerForward: (): never => {
    throw new Error('the model has no streaming server');
  },
};
const noFaults: FaultPlan = () => undefined;
const crashed = Symbol('crashed');

/** How a piece of work on the node ended: with its value, with an error, or with the node's own end. */
export type Outcome<T> = { end: 'done'; value: T } | { end: 'failed'; error: unknown } | { end: 'crashed' };

/** One machine with one nodelet on it, which may crash and be booted again. */
export class SimWorld {
  readonly machine: SimMachine;
  session: Session;
  private verbs: OwnRuntimeVerbs | undefined;

  constructor(seed: number) {
    this.machine = new SimMachine(seed);
    this.session = new Session(this.machine, noFaults);
    unpackImages(this.machine.files);
    this.machine.files.makeDir('/etc');
    this.machine.files.write('/etc/resolv.conf', 'nameserver 192.0.2.1\n');
    this.machine.files.write('/etc/hosts', '127.0.0.1 localhost\n');
  }

  /** The CRI as the running node serves it. */
  get cri(): OwnRuntimeVerbs {
    if (this.verbs === undefined) throw new Error('the node is not up');
    return this.verbs;
  }

  /** Starts nodelet as src/main does, with recovery; faults may end it on the way. */
  async boot(plan: FaultPlan = noFaults, inFlight: InFlight = 'dropped'): Promise<Outcome<void>> {
    this.session.crash();
    const session = new Session(this.machine, plan, inFlight);
    this.session = session;
    this.verbs = undefined;
    return this.run(async () => {
      const host = simHost(session);
      const images = simImages(host);
      const rooms = await createRooms({
        config: simConfig,
        host,
        images,
        streams: noStreams,
        log: silentLog,
        version: 'sim',
      });
      await rooms.start();
      this.verbs = rooms.pods.verbs;
    });
  }

  /** Does something with the node until it is done or the node has crashed; virtual time passes as needed. */
  async run<T>(work: () => Promise<T>): Promise<Outcome<T>> {
    const { session } = this;
    const ended = session.crashed.then((): typeof crashed => crashed);
    try {
      const value = await this.machine.clock.drive(Promise.race([ended, work()]));
      return value === crashed || session.isDead ? { end: 'crashed' } : { end: 'done', value };
    } catch (error) {
      return session.isDead ? { end: 'crashed' } : { end: 'failed', error };
    }
  }

  /** Waits inside of `run`, and for ever once the node has crashed. */
  async pause(ms: number): Promise<void> {
    const { session } = this;
    await this.machine.clock.sleep(ms);
    if (session.isDead) await never();
  }

  /** Lets virtual time pass. */
  async pass(ms: number): Promise<void> {
    await this.machine.clock.drive(this.machine.clock.sleep(ms));
  }

  /** The last effects of the running session, one a line, for the report of a failure. */
  lastEffects(count = 12): string {
    return this.session.effects
      .slice(-count)
      .map(({ index, name, detail }) => `  ${index} ${name} ${shortIds(detail).slice(0, 140)}`)
      .join('\n');
  }
}

/** The first characters of each long id are enough to tell them apart. */
function shortIds(text: string): string {
  return text.replace(/\b([0-9a-f]{8})[0-9a-f]{56}\b/g, '$1…');
}
