import type net from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../../base/call-context.js';
import { ConnectionPeek } from './connection-peek.js';
import { frameOf, frameTypes } from './frames.js';
import { RepairedConnection } from './repaired-connection.js';
import { RequestRepair } from './request-repair.js';

export interface ConnectionGate {
  log: Log;
  /** Gives the connection to the gRPC server. */
  accept: (connection: net.Socket | Duplex) => void;
}

const emptySettings = frameOf(frameTypes.settings, Buffer.alloc(0));

/**
 * Lets a client in whose requests have no `:authority`, or one that names a socket's path: common over Unix sockets, but Node's HTTP/2
 * server resets such streams (ADR 7). Any other client's socket goes to the server as it is, after its first request was looked at.
 */
export function admit(socket: net.Socket, { log, accept }: ConnectionGate): void {
  const peek = new ConnectionPeek();
  const refuse = (error: Error): void => {
    log.debug({ error: error.message }, 'connection refused');
    socket.destroy();
  };
  const look = (chunk: Buffer): void => {
    let verdict;
    try {
      verdict = peek.see(chunk);
    } catch (thrown) {
      refuse(thrown as Error);
      return;
    }
    if (verdict.way === 'wait') return;
    if (verdict.way === 'greet') {
      socket.write(emptySettings);
      return;
    }
    socket.off('data', look);
    socket.off('end', hungUp);
    if (verdict.way === 'untouched') {
      socket.pause();
      socket.unshift(verdict.bytes);
      accept(socket);
      return;
    }
    const repaired = new RepairedConnection(socket, new RequestRepair(verdict.ownSettings), verdict.bytes);
    repaired.on('error', refuse);
    accept(repaired);
  };
  const hungUp = (): void => void socket.destroy();
  socket.on('data', look);
  socket.once('end', hungUp);
}
