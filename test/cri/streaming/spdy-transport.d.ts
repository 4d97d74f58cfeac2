/** What the tests use of the npm package spdy-transport, which has no types of its own. */
declare module 'spdy-transport' {
  import type { Duplex } from 'node:stream';

  export interface Stream extends Duplex {
    id: number;
    _spdyState: { needResponse: boolean };
    abort(code?: string): void;
  }

  export interface Connection extends NodeJS.EventEmitter {
    start(version: number): void;
    request(
      request: { method: string; path: string; host: string; headers: Record<string, string> },
      sent?: (error?: unknown) => void,
    ): Stream;
    ping(answered: () => void): void;
  }

  const transport: {
    connection: { create(socket: Duplex, options: { protocol: 'spdy'; isServer: boolean }): Connection };
  };
  export default transport;
}
