import type { CallContext } from '../../src/base/call-context.js';
import { NodeletError } from '../../src/base/errors.js';
import { loadCriDefinitions, methodsOf } from '../../src/cri/definitions.js';
import type { CriServiceName } from '../../src/cri/definitions.js';
import type { Clock } from '../../src/ports/clock.js';
import type { CriRuntime } from '../../src/ports/cri/runtime.js';

const definitions = loadCriDefinitions();

type UnaryDouble = (request: never, ctx: CallContext) => Promise<unknown>;
type StreamDouble = (request: never, ctx: CallContext) => AsyncIterable<unknown>;

/** A CriRuntime that has only the given verbs; any other answers `bug`. */
export function runtimeWith(verbs: Record<string, UnaryDouble | StreamDouble>): CriRuntime {
  const missing = new NodeletError('bug', 'the test gave no such verb');
  const missingUnary = async (): Promise<never> => Promise.reject(missing);
  // eslint-disable-next-line require-yield
  async function* missingStream(): AsyncGenerator<never> {
    throw missing;
  }
  const verbsOf = (service: CriServiceName): unknown =>
    Object.fromEntries(
      Object.entries(methodsOf(definitions[service])).map(([rpc, { responseStream }]) => [
        rpc,
        verbs[rpc] ?? (responseStream ? missingStream : missingUnary),
      ]),
    );
  return { runtime: verbsOf('RuntimeService'), images: verbsOf('ImageService') } as CriRuntime;
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
