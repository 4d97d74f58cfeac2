import { createHash } from 'node:crypto';
import { SharedFlights } from '../../base/shared-flight.js';
import type { Clock } from '../../ports/clock.js';

/** A registry's access token, and for how long it is good; distribution's token specification. */
export interface RegistryToken {
  token: string;
  lifetimeMs: number;
}

/** A token is given up this much before its end, so that a request made with it arrives in time. */
const marginMs = 5_000;

/** Access tokens by the service that gave them, what they are for and whom they were given to, until they expire. */
export class TokenCache {
  private readonly tokens = new Map<string, { token: string; endsMs: number }>();
  private readonly flights = new SharedFlights<string, string>();

  constructor(private readonly clock: Pick<Clock, 'monotonicMs'>) {}

  /** The token that is there for `subject`. */
  known(subject: object): string | undefined {
    const entry = this.tokens.get(keyOf(subject));
    return entry !== undefined && entry.endsMs > this.clock.monotonicMs() ? entry.token : undefined;
  }

  /** A new token; those who ask for one at the same time share it. */
  fetch(
    subject: object,
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<RegistryToken>,
  ): Promise<string> {
    const key = keyOf(subject);
    return this.flights.join(key, signal, async (flight) => {
      const { token, lifetimeMs } = await ask(flight);
      const nowMs = this.clock.monotonicMs();
      for (const [other, { endsMs }] of this.tokens) if (endsMs <= nowMs) this.tokens.delete(other);
      this.tokens.set(key, { token, endsMs: nowMs + lifetimeMs - marginMs });
      return token;
    });
  }
}

/** A login isn't kept in clear text longer than needed. */
const keyOf = (subject: object): string => createHash('sha256').update(JSON.stringify(subject)).digest('hex');
