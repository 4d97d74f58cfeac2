import { Metadata, credentials } from '@grpc/grpc-js';
import type { CallOptions, Client, MethodDefinition, ServiceError, status } from '@grpc/grpc-js';
import type { CallContext } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import type { Clock } from '../ports/clock.js';
import type { CriRuntime, ImageVerbs, RuntimeVerbs } from '../ports/cri/runtime.js';
import { loadCriDefinitions, messageMaxBytes, methodsOf } from './definitions.js';
import type { CriServiceName } from './definitions.js';
import { kindOf } from './status-map.js';

export interface CriClientOptions {
  /** Path of the runtime's Unix socket, with or without `unix://`. */
  socketPath: string;
  clock: Pick<Clock, 'nowNs'>;
  /** Deadline of every unary call, ms from its start; none when absent. */
  timeoutMs?: number;
}

export interface CriClient extends CriRuntime {
  /** Any unary rpc by its name. */
  call(service: CriServiceName, rpc: string, request: object, ctx: CallContext): Promise<unknown>;
  /** Any rpc that answers a stream; it is canceled when the iteration ends early. */
  stream(service: CriServiceName, rpc: string, request: object, ctx: CallContext): AsyncGenerator<unknown>;
  close(): void;
}

/** A CRI runtime behind a Unix socket. Errors are NodeletErrors whose kind is read back from the gRPC code. */
export function createCriClient({ socketPath, clock, timeoutMs }: CriClientOptions): CriClient {
  const target = `unix://${socketPath.replace(/^unix:\/\//, '')}`;
  const definitions = loadCriDefinitions();
  const channelOptions = {
    'grpc.max_receive_message_length': messageMaxBytes,
    'grpc.max_send_message_length': messageMaxBytes,
    // A long socket path is no host name: without this it would become the :authority.
    'grpc.default_authority': 'localhost',
  };
  const insecure = credentials.createInsecure();
  const stubs: Record<CriServiceName, Client> = {
    RuntimeService: new definitions.RuntimeService(target, insecure, channelOptions),
    ImageService: new definitions.ImageService(target, insecure, channelOptions),
  };

  const methodOf = (service: CriServiceName, rpc: string): MethodDefinition<object, unknown> => {
    const method = methodsOf(definitions[service])[rpc];
    if (method === undefined) throw new NodeletError('unsupported', `${service} has no rpc ${rpc}`);
    return method as MethodDefinition<object, unknown>;
  };

  const call: CriClient['call'] = (service, rpc, request, ctx) =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = methodOf(service, rpc);
      const options: CallOptions =
        timeoutMs === undefined ? {} : { deadline: Number(clock.nowNs() / 1_000_000n) + timeoutMs };
      const done = (error: ServiceError | null, response?: unknown): void => {
        letGo();
        if (error === null) resolve(response);
        else reject(callError(rpc, error, ctx));
      };
      const running = stubs[service].makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        options,
        done,
      );
      const letGo = cancelOnAbort(running, ctx);
    });

  const stream: CriClient['stream'] = async function* (service, rpc, request, ctx) {
    const { path, requestSerialize, responseDeserialize } = methodOf(service, rpc);
    const running = stubs[service].makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      {},
    );
    const letGo = cancelOnAbort(running, ctx);
    try {
      for await (const message of running) yield message;
    } catch (thrown) {
      throw callError(rpc, thrown as ServiceError, ctx);
    } finally {
      letGo();
      // Whoever stops reading wants no more of it; after its end this does nothing.
      running.cancel();
    }
  };

  const verbsOf = (service: CriServiceName): object =>
    Object.fromEntries(
      Object.entries(methodsOf(definitions[service])).map(([rpc, { responseStream }]) => [
        rpc,
        (request: object, ctx: CallContext) =>
          responseStream ? stream(service, rpc, request, ctx) : call(service, rpc, request, ctx),
      ]),
    );

  return {
    runtime: verbsOf('RuntimeService') as RuntimeVerbs,
    images: verbsOf('ImageService') as ImageVerbs,
    call,
    stream,
    close: () => {
      stubs.RuntimeService.close();
      stubs.ImageService.close();
    },
  };
}

/** Returns what ends the watch over the caller. */
function cancelOnAbort(running: { cancel(): void }, { signal }: CallContext): () => void {
  const cancel = (): void => running.cancel();
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  return () => signal.removeEventListener('abort', cancel);
}

function callError(rpc: string, error: ServiceError, { signal }: CallContext): NodeletError {
  if (signal.reason instanceof NodeletError) return signal.reason;
  const code: status = error.code;
  return new NodeletError(kindOf(code), error.details === '' ? `${rpc} failed` : error.details, {
    cause: error,
  });
}
