import { NodeletError } from '../../../src/base/errors.js';
import type { SimMachine } from '../machine/machine.js';

/** What happens at one numbered effect. `during` tears it at its `cut`-th seam, counted from 0. */
export type Fault =
  | { kind: 'crash'; when: 'before' | 'after' }
  | { kind: 'crash'; when: 'during'; cut: number }
  | { kind: 'fail'; when: 'before' | 'after' }
  | { kind: 'delay'; ms: number };

/** An effect as it was asked for; `cuts` counts the seams it has passed. */
export interface EffectEntry {
  index: number;
  name: string;
  detail: string;
  cuts: number;
}

/** Decides the fault of each effect, in the order in which they are asked for. */
export type FaultPlan = (effect: EffectEntry) => Fault | undefined;

class Torn extends Error {}

/** What of an effect that was under way when the agent died still takes place. */
export type InFlight = 'done' | 'dropped';

/**
 * One run of the agent on a machine. Every effect on the machine goes through `effect`, is numbered, and may
 * meet a fault. After `crash` nothing of the session happens any more: what it waits for never comes.
 */
export class Session {
  readonly effects: EffectEntry[] = [];
  private dead = false;
  private readonly pending = new Set<() => void>();
  private announce: () => void = () => undefined;
  private readonly stops: (() => void)[] = [];
  readonly crashed = new Promise<void>((resolve) => (this.announce = resolve));

  constructor(
    readonly machine: SimMachine,
    private readonly plan: FaultPlan,
    private readonly inFlight: InFlight = 'dropped',
  ) {}

  get isDead(): boolean {
    return this.dead;
  }

  /** Ends the agent at once. Effects under way are dropped, or still take place but never answer. */
  crash(): void {
    if (this.dead) return;
    this.dead = true;
    for (const stop of this.stops) stop();
    if (this.inFlight === 'done') for (const act of this.pending) act();
    this.pending.clear();
    this.announce();
  }

  /** Something to stop when the agent dies. */
  onCrash(stop: () => void): void {
    this.stops.push(stop);
  }

  /** An effect that answers later. `act` takes place at one instant; what it gives back may take time. */
  async effect<T>(name: string, detail: string, act: (cut: () => void) => T | Promise<T>): Promise<T> {
    if (this.dead) return never();
    const { entry, fault } = this.note(name, detail);
    if (fault?.kind === 'crash' && fault.when === 'before') this.crash();
    const late = () => {
      try {
        void Promise.resolve(act(() => undefined)).catch(() => undefined);
      } catch {
        // It would have failed, and nobody is left to hear of it.
      }
    };
    this.pending.add(late);
    await (fault?.kind === 'delay' ? this.machine.clock.sleep(fault.ms) : undefined);
    if (this.dead) return never();
    this.pending.delete(late);
    if (fault?.kind === 'fail' && fault.when === 'before') throw planted(entry);
    const cut = () => {
      entry.cuts++;
      if (fault?.kind === 'crash' && fault.when === 'during' && entry.cuts === fault.cut + 1)
        throw new Torn();
    };
    const result = await this.take(() => act(cut), fault);
    if (fault?.kind === 'fail') throw planted(entry);
    return this.dead ? never() : result;
  }

  private async take<T>(act: () => T | Promise<T>, fault: Fault | undefined): Promise<T> {
    let started: T | Promise<T>;
    try {
      started = act();
    } catch (thrown) {
      if (thrown instanceof Torn || (fault?.kind === 'crash' && fault.when === 'after')) this.crash();
      if (this.dead) return never();
      throw thrown;
    }
    if (fault?.kind === 'crash' && fault.when === 'after') this.crash();
    try {
      return await started;
    } catch (thrown) {
      if (thrown instanceof Torn) this.crash();
      if (this.dead) return never();
      throw thrown;
    }
  }

  /** An effect that answers at once, and so can't fail by a fault. Undefined from a dead session. */
  effectNow<T>(name: string, detail: string, act: () => T): T | undefined {
    if (this.dead) return undefined;
    const { fault } = this.note(name, detail);
    if (fault?.kind === 'crash' && fault.when === 'before') this.crash();
    const result = this.isDead ? undefined : act();
    if (fault?.kind === 'crash') this.crash();
    return result;
  }

  private note(name: string, detail: string): { entry: EffectEntry; fault: Fault | undefined } {
    const entry = { index: this.effects.length + 1, name, detail, cuts: 0 };
    this.effects.push(entry);
    return { entry, fault: this.plan(entry) };
  }
}

export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

function planted(entry: EffectEntry): NodeletError {
  return new NodeletError(
    'tool-failed',
    `planted fault at effect ${entry.index}, ${entry.name} ${entry.detail}`,
  );
}
