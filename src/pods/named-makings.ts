import { isDeepStrictEqual } from 'node:util';
import type { CallContext } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import { SharedFlights } from '../base/shared-flight.js';

interface Making {
  request: unknown;
  phase: string;
  /** Told of each phase: everybody who waits. */
  waiting: Set<CallContext>;
}

export interface MakingRequest {
  /** Under which name the thing is made. */
  name: string;
  /** What is asked for: only the same may be joined. */
  request: unknown;
  /** For messages, e.g. `sandbox`. */
  what: string;
}

/**
 * Things that are made under a name of the client's choice. A call for one that is being made joins the attempt in flight, whose
 * phases it is told; one that asks for something else under that name is refused with the phase that the attempt is in.
 */
export class NamedMakings<Id> {
  private readonly flights = new SharedFlights<string, Id>();
  private readonly makings = new Map<string, Making>();

  async join(
    { name, request, what }: MakingRequest,
    ctx: CallContext,
    make: (ctx: CallContext) => Promise<Id>,
  ): Promise<Id> {
    let making: Making | undefined;
    const launch = async (signal: AbortSignal): Promise<Id> => {
      const begun: Making = { request, phase: 'begin', waiting: new Set([ctx]) };
      this.makings.set(name, (making = begun));
      const phase = (next: string): void => {
        begun.phase = next;
        for (const each of begun.waiting) each.phase(next);
      };
      return make({ ...ctx, signal, phase });
    };
    const board = (): void => {
      making = this.makings.get(name);
      if (making === undefined) return;
      if (!isDeepStrictEqual(making.request, request)) throw anotherInFlight(what, making);
      making.waiting.add(ctx);
      ctx.phase(making.phase);
    };
    return this.flights.join(name, ctx.signal, launch, board).finally(() => {
      making?.waiting.delete(ctx);
      // Only now: whoever comes while the flight lands must still find what it was made from.
      if (making?.waiting.size === 0 && this.makings.get(name) === making) this.makings.delete(name);
    });
  }
}

function anotherInFlight(what: string, { phase }: Making): NodeletError {
  return new NodeletError(
    'exists',
    `a ${what} of this name and attempt is being made from another config, at "${phase}"`,
    { field: 'config.metadata', remedy: 'wait until it is there and remove it, or raise metadata.attempt' },
  );
}
