import type { CallContext } from '../../base/call-context.js';
import type { ImageServiceRpcs, RuntimeServiceRpcs } from './messages.js';

/** The unary rpcs of a service as methods: whole request message in, response message out, NodeletError thrown. */
export type UnaryVerbs<Rpcs> = {
  [Name in keyof Rpcs as Rpcs[Name] extends { stream: false } ? Name : never]: Rpcs[Name] extends {
    request: infer Request;
    response: infer Response;
  }
    ? (request: Request, ctx: CallContext) => Promise<Response>
    : never;
};

/** The runtime verbs that nodelet implements so far; the server answers UNIMPLEMENTED for every other rpc. */
export type RuntimeVerbs = Pick<
  UnaryVerbs<RuntimeServiceRpcs>,
  | 'Version'
  | 'Status'
  | 'RuntimeConfig'
  | 'RunPodSandbox'
  | 'StopPodSandbox'
  | 'RemovePodSandbox'
  | 'PodSandboxStatus'
  | 'ListPodSandbox'
  | 'CreateContainer'
  | 'StartContainer'
  | 'StopContainer'
  | 'RemoveContainer'
  | 'ListContainers'
  | 'ContainerStatus'
  | 'ExecSync'
  | 'Exec'
  | 'ReopenContainerLog'
>;

export type ImageVerbs = Pick<
  UnaryVerbs<ImageServiceRpcs>,
  'ListImages' | 'ImageStatus' | 'PullImage' | 'RemoveImage' | 'ImageFsInfo'
>;

/**
 * The seam between the two halves: a CRI runtime, whether in this process (pods/ and images/) or behind a
 * Unix socket (cri/client.ts). Messages have exactly the shape of messages.ts; use its `new…` factories to fill defaults.
 */
export interface CriRuntime {
  runtime: RuntimeVerbs;
  images: ImageVerbs;
}
