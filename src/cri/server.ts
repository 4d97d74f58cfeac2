import { setMaxListeners } from 'node:events';
import net from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { UntypedHandleCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { CriRuntime, StreamVerb, UnaryVerb } from '../ports/cri/runtime.js';
import { admit } from './authority/connection-gate.js';
import { loadCriDefinitions, messageMaxBytes, methodsOf, withOwnWriter } from './definitions.js';
import type { CriServiceName } from './definitions.js';
import { funnel, streamFunnel } from './funnel.js';
import { settledWithin } from './settled-within.js';
import { claimSocketPath, listenOn } from './socket-claim.js';

export interface CriServerOptions {
  runtime: CriRuntime;
  log: Log;
  /** Absolute path of the Unix socket to serve on. */
  socketPath: string;
  clock: Clock;
}

export interface CriServer {
  /** Resolves once clients can connect; refuses with `exists` while another process listens on the path. */
  start(): Promise<void>;
  /** Takes no new calls, ends streams, gives other calls a few seconds, then cuts them off; removes the socket. */
  stop(): Promise<void>;
}

const stopGraceMs = 5_000;

/** The CRI v1 gRPC server of both services; gRPC itself answers UNIMPLEMENTED for what the interface lacks. */
export function createCriServer(options: CriServerOptions): CriServer {
  const { socketPath, clock } = options;
  const log = options.log.child({ room: 'cri' });
  const grpc = new Server({
    'grpc.max_receive_message_length': messageMaxBytes,
    'grpc.max_send_message_length': messageMaxBytes,
  });
  const definitions = loadCriDefinitions();
  const stopping = new AbortController();
  // One for each stream that is open: no sign of a leak, however many.
  setMaxListeners(0, stopping.signal);
  const addService = (service: CriServiceName, verbs: object): void => {
    const known = verbs as Record<string, unknown>;
    const handlers: UntypedServiceImplementation = {};
    for (const [rpc, method] of Object.entries(methodsOf(definitions[service]))) {
      const handler = method.responseStream
        ? streamFunnel(known[rpc] as StreamVerb<unknown, unknown>, {
            clock,
            log,
            stopping: stopping.signal,
          })
        : funnel(known[rpc] as UnaryVerb<unknown, unknown>, { clock, log });
      handlers[rpc] = handler as UntypedHandleCall;
    }
    grpc.addService(withOwnWriter(definitions, service), handlers);
  };
  addService('RuntimeService', options.runtime.runtime);
  addService('ImageService', options.runtime.images);

  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', (error) => log.debug({ error: error.message }, 'connection broke'));
    admit(socket, { log, accept: (connection) => injector.injectConnection(connection) });
  });

  return {
    start: async () => {
      await claimSocketPath(socketPath);
      await listenOn(listener, socketPath);
      log.info({ socketPath }, 'CRI is served');
    },
    stop: async () => {
      stopping.abort(new NodeletError('unavailable', 'nodelet is stopping'));
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      const served = new Promise<void>((resolve) => grpc.tryShutdown(() => resolve()));
      await settledWithin(served, stopGraceMs, clock);
      grpc.forceShutdown();
      for (const socket of sockets) socket.destroy();
      await closed;
      log.info({ socketPath }, 'CRI is no longer served');
    },
  };
}
