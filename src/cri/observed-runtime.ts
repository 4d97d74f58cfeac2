import type { CriRuntime, StreamVerb, UnaryVerb } from '../ports/cri/runtime.js';
import { NodeletError } from '../base/errors.js';
import type { ObservedParts } from './observed-call.js';
import { ObservedCall } from './observed-call.js';
import { isStreamVerb } from './stream-verbs.js';

/**
 * The same runtime, with every call logged, counted and timed by phases. Both ways in use it, the gRPC server
 * and the agent of this process, so that a pod from a manifest shows in the metrics like a kubelet's.
 */
export function observedRuntime({ runtime, images }: CriRuntime, parts: ObservedParts): CriRuntime {
  return { runtime: observedVerbs(runtime, parts), images: observedVerbs(images, parts) };
}

function observedVerbs<Verbs extends object>(verbs: Verbs, parts: ObservedParts): Verbs {
  const entries = Object.entries(verbs) as [string, unknown][];
  return Object.fromEntries(
    entries.map(([name, verb]) => [
      name,
      isStreamVerb(name)
        ? observedStream(name, verb as StreamVerb<unknown, unknown>, parts)
        : observedUnary(name, verb as UnaryVerb<unknown, unknown>, parts),
    ]),
  ) as Verbs;
}

function observedUnary(
  operation: string,
  verb: UnaryVerb<unknown, unknown>,
  parts: ObservedParts,
): UnaryVerb<unknown, unknown> {
  return async (request, caller) => {
    const call = new ObservedCall(operation, caller, parts);
    try {
      const response = await verb(request, call.ctx);
      call.succeed();
      return response;
    } catch (thrown) {
      throw call.fail(thrown);
    }
  };
}

/** A stream is one call, which ends with its last message, or when its caller takes no more. */
function observedStream(
  operation: string,
  verb: StreamVerb<unknown, unknown>,
  parts: ObservedParts,
): StreamVerb<unknown, unknown> {
  return async function* (request, caller) {
    const call = new ObservedCall(operation, caller, parts);
    let isOver = false;
    try {
      yield* verb(request, call.ctx);
      isOver = true;
      call.succeed();
    } catch (thrown) {
      isOver = true;
      throw call.fail(thrown);
    } finally {
      if (!isOver) call.fail(new NodeletError('canceled', 'the caller takes no more messages'));
    }
  };
}
