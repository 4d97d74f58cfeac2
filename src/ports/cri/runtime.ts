import type { CallContext } from '../../base/call-context.js';
import type { ImageServiceRpcs, RuntimeServiceRpcs } from './messages.js';

/** A rpc that answers one message: whole request message in, response message out, NodeletError thrown. */
export type UnaryVerb<Request, Response> = (request: Request, ctx: CallContext) => Promise<Response>;

/**
 * A rpc that answers a stream: each message is asked for when the one before it has been taken, so a slow client slows
 * the verb down. The iteration ends soon after `ctx.signal` is aborted, and throws NodeletErrors.
 */
export type StreamVerb<Request, Response> = (request: Request, ctx: CallContext) => AsyncIterable<Response>;

/** The rpcs of a service as methods. */
export type Verbs<Rpcs> = {
  [Name in keyof Rpcs]: Rpcs[Name] extends {
    request: infer Request;
    response: infer Response;
    stream: infer Stream;
  }
    ? Stream extends true
      ? StreamVerb<Request, Response>
      : UnaryVerb<Request, Response>
    : never;
};

export type RuntimeVerbs = Verbs<RuntimeServiceRpcs>;
export type ImageVerbs = Verbs<ImageServiceRpcs>;

/** The rpcs that send the answer of a list in pieces: cri/list-streams.ts makes them from the lists. */
export type RuntimeListStreams =
  | 'StreamPodSandboxes'
  | 'StreamContainers'
  | 'StreamContainerStats'
  | 'StreamPodSandboxStats'
  | 'StreamPodSandboxMetrics';
export type ImageListStreams = 'StreamImages';

/** What pods/ and images/ do themselves. */
export type OwnRuntimeVerbs = Omit<RuntimeVerbs, RuntimeListStreams>;
export type OwnImageVerbs = Omit<ImageVerbs, ImageListStreams>;

/**
 * The seam between the two halves: a CRI runtime, whether in this process (pods/ and images/) or behind a
 * Unix socket (cri/client.ts). Messages have exactly the shape of messages.ts; use its `new…` factories to fill defaults.
 */
export interface CriRuntime {
  runtime: RuntimeVerbs;
  images: ImageVerbs;
}
