import { throwIfGone } from '../base/call-context.js';
import type {
  CriRuntime,
  OwnImageVerbs,
  OwnRuntimeVerbs,
  StreamVerb,
  UnaryVerb,
} from '../ports/cri/runtime.js';

/** What one message may weigh, bytes: gRPC clients take 4 MiB unless told otherwise. */
const pieceMaxBytes = 1024 * 1024;
/** The most that a number or a truth value takes, its tag included. */
const numberMaxBytes = 12;
/** Tag and length around a message, a text or a map entry. */
const wrappingMaxBytes = 12;

/**
 * Adds the Stream lists of both services. Each is the answer of its list, taken in one go, so that it shows one moment; it
 * goes out in pieces that any client can take, and ends after the last.
 */
export function withListStreams(own: { runtime: OwnRuntimeVerbs; images: OwnImageVerbs }): CriRuntime {
  const { runtime, images } = own;
  return {
    runtime: {
      ...runtime,
      StreamPodSandboxes: streamed(
        (request, ctx) => runtime.ListPodSandbox(request, ctx),
        ({ items }) => items,
        (pod_sandboxes) => ({ pod_sandboxes }),
      ),
      StreamContainers: streamed(
        (request, ctx) => runtime.ListContainers(request, ctx),
        ({ containers }) => containers,
        (containers) => ({ containers }),
      ),
      StreamContainerStats: streamed(
        (request, ctx) => runtime.ListContainerStats(request, ctx),
        ({ stats }) => stats,
        (container_stats) => ({ container_stats }),
      ),
      StreamPodSandboxStats: streamed(
        (request, ctx) => runtime.ListPodSandboxStats(request, ctx),
        ({ stats }) => stats,
        (pod_sandbox_stats) => ({ pod_sandbox_stats }),
      ),
      StreamPodSandboxMetrics: streamed(
        (request, ctx) => runtime.ListPodSandboxMetrics(request, ctx),
        ({ pod_metrics }) => pod_metrics,
        (pod_sandbox_metrics) => ({ pod_sandbox_metrics }),
      ),
    },
    images: {
      ...images,
      StreamImages: streamed(
        (request, ctx) => images.ListImages(request, ctx),
        ({ images: found }) => found,
        (found) => ({ images: found }),
      ),
    },
  };
}

function streamed<Request, Answer, Item, Piece>(
  list: UnaryVerb<Request, Answer>,
  itemsOf: (answer: Answer) => readonly Item[],
  pieceOf: (items: Item[]) => Piece,
): StreamVerb<Request, Piece> {
  return async function* (request, ctx) {
    for (const items of pieces(itemsOf(await list(request, ctx)))) {
      throwIfGone(ctx);
      yield pieceOf(items);
    }
  };
}

/** An item that alone weighs more than a piece goes alone. */
function* pieces<Item>(items: readonly Item[]): Generator<Item[]> {
  let piece: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = encodedMaxBytes(item);
    if (piece.length > 0 && bytes + itemBytes > pieceMaxBytes) {
      yield piece;
      piece = [];
      bytes = 0;
    }
    piece.push(item);
    bytes += itemBytes;
  }
  if (piece.length > 0) yield piece;
}

/** An upper bound of what a message takes on the wire, without encoding it twice. */
function encodedMaxBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + wrappingMaxBytes;
  if (value instanceof Uint8Array) return value.byteLength + wrappingMaxBytes;
  if (typeof value !== 'object' || value === null) return numberMaxBytes;
  let bytes = wrappingMaxBytes;
  const isMessage = !Array.isArray(value);
  for (const [key, each] of Object.entries(value) as [string, unknown][]) {
    // A map's keys go on the wire as texts; a message's field names don't, but are short.
    bytes += encodedMaxBytes(each) + (isMessage ? Buffer.byteLength(key) + wrappingMaxBytes : 0);
  }
  return bytes;
}
