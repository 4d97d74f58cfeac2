/** Callers that ask for the same key while it is being worked on join the flight and share its outcome. */
export class SingleFlight<K, T> {
  private readonly flights = new Map<K, Promise<T>>();

  run(key: K, work: () => Promise<T>): Promise<T> {
    const flying = this.flights.get(key);
    if (flying !== undefined) return flying;
    const flight = work().finally(() => this.flights.delete(key));
    this.flights.set(key, flight);
    return flight;
  }
}
