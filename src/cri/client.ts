import { Metadata, credentials } from '@grpc/grpc-js';
import type { CallOptions, Client, ServiceError, status } from '@grpc/grpc-js';
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
  /** Deadline of every call, ms from its start; none when absent. */
  timeoutMs?: number;
}

export interface CriClient extends CriRuntime {
  /** Any unary rpc by its name, also those that CriRuntime lacks. */
  call(service: CriServiceName, rpc: string, request: object, ctx: CallContext): Promise<unknown>;
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

  const call: CriClient['call'] = (service, rpc, request, ctx) =>
    new Promise((resolve, reject) => {
      const method = methodsOf(definitions[service])[rpc];
      if (method === undefined || method.responseStream) {
        reject(new NodeletError('unsupported', `${service} has no unary rpc ${rpc}`));
        return;
      }
      const options: CallOptions =
        timeoutMs === undefined ? {} : { deadline: Number(clock.nowNs() / 1_000_000n) + timeoutMs };
      const { path, requestSerialize, responseDeserialize } = method;
      const done = (error: ServiceError | null, response?: unknown): void => {
        ctx.signal.removeEventListener('abort', abort);
        if (error === null) resolve(response);
        else if (ctx.signal.reason instanceof NodeletError) reject(ctx.signal.reason);
        else reject(fromServiceError(rpc, error));
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
      const abort = (): void => running.cancel();
      if (ctx.signal.aborted) abort();
      else ctx.signal.addEventListener('abort', abort, { once: true });
    });

  const verbsOf = (service: CriServiceName): object =>
    Object.fromEntries(
      Object.keys(methodsOf(definitions[service])).map((rpc) => [
        rpc,
        (request: object, ctx: CallContext) => call(service, rpc, request, ctx),
      ]),
    );

  return {
    runtime: verbsOf('RuntimeService') as RuntimeVerbs,
    images: verbsOf('ImageService') as ImageVerbs,
    call,
    close: () => {
      stubs.RuntimeService.close();
      stubs.ImageService.close();
    },
  };
}

function fromServiceError(rpc: string, error: ServiceError): NodeletError {
  const code: status = error.code;
  return new NodeletError(kindOf(code), error.details === '' ? `${rpc} failed` : error.details, {
    cause: error,
  });
}
