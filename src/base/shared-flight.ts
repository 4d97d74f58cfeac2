import { abortReason, throwIfGone } from './call-context.js';

interface Flight<T> {
  done: Promise<T>;
  /** Resolves when the work has ended, however. */
  landed: Promise<void>;
  controller: AbortController;
  passengers: number;
}

/**
 * Work that callers share: whoever asks for a key in flight joins it. A caller that gives up leaves alone, with its own reason;
 * the work is aborted when the last one has left, and that one is answered when the work has cleaned up.
 */
export class SharedFlights<K, T> {
  private readonly flights = new Map<K, Flight<T>>();

  /**
   * `work` gets a signal of the flight's own and must end soon after it is aborted. `board` is called before a flight that
   * another caller has launched is joined; what it throws keeps this one out.
   */
  async join(
    key: K,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
    board: () => void = () => undefined,
  ): Promise<T> {
    for (;;) {
      throwIfGone({ signal });
      const flight = this.flights.get(key);
      if (flight === undefined) return this.ride(this.launch(key, work), signal);
      if (!flight.controller.signal.aborted) {
        board();
        return this.ride(flight, signal);
      }
      await flight.landed;
    }
  }

  /** Aborts all work for `reason` and resolves when it has ended. */
  async abort(reason: Error): Promise<void> {
    const flying = [...this.flights.values()];
    for (const { controller } of flying) controller.abort(reason);
    await Promise.all(flying.map(({ landed }) => landed));
  }

  private launch(key: K, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const done = work(controller.signal);
    const land = (): void => void this.flights.delete(key);
    const flight = { done, landed: done.then(land, land), controller, passengers: 0 };
    this.flights.set(key, flight);
    return flight;
  }

  private ride(flight: Flight<T>, signal: AbortSignal): Promise<T> {
    flight.passengers += 1;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        flight.passengers -= 1;
        const reason = abortReason(signal);
        if (flight.passengers > 0) {
          reject(reason);
          return;
        }
        flight.controller.abort(reason);
        void flight.landed.then(() => reject(reason));
      };
      signal.addEventListener('abort', leave, { once: true });
      void flight.done
        .then(resolve, (thrown: Error) => reject(signal.aborted ? abortReason(signal) : thrown))
        .finally(() => signal.removeEventListener('abort', leave));
    });
  }
}
