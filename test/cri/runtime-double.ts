import type { CallContext } from '../../src/base/call-context.js';
import { NodeletError } from '../../src/base/errors.js';
import type { Clock } from '../../src/ports/clock.js';
import type { CriRuntime } from '../../src/ports/cri/runtime.js';

/** A CriRuntime that has only the given verbs; any other answers `bug`. */
export function runtimeWith(
  verbs: Record<string, (request: never, ctx: CallContext) => Promise<unknown>>,
): CriRuntime {
  const missing = async (): Promise<never> => {
    throw new NodeletError('bug', 'the test gave no such verb');
  };
  const all: unknown = new Proxy(verbs, { get: (target, name) => target[String(name)] ?? missing });
  return { runtime: all, images: all } as CriRuntime;
}

/** The machine's clock: the server under test talks to a real socket in real time. */
export const testClock: Clock = {
  nowNs: () => BigInt(Date.now()) * 1_000_000n,
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      });
    }),
  after: (ms, fire) => {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
};
