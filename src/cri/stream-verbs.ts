import type { ImageVerbs, RuntimeVerbs } from '../ports/cri/runtime.js';

type StreamNames<Verbs> = {
  [Name in keyof Verbs]: Verbs[Name] extends (...call: never) => AsyncIterable<unknown> ? Name : never;
}[keyof Verbs];

/** The rpcs that answer a stream; as a record, so that the compiler finds a forgotten one. */
const streamVerbs: Record<StreamNames<RuntimeVerbs> | StreamNames<ImageVerbs>, true> = {
  StreamPodSandboxes: true,
  StreamContainers: true,
  StreamContainerStats: true,
  StreamPodSandboxStats: true,
  StreamPodSandboxMetrics: true,
  GetContainerEvents: true,
  StreamImages: true,
};

export function isStreamVerb(rpc: string): boolean {
  return rpc in streamVerbs;
}
