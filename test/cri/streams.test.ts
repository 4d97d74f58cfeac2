import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import type { CallContext } from '../../src/base/call-context.js';
import { NodeletError, asNodeletError } from '../../src/base/errors.js';
import { createCriClient } from '../../src/cri/client.js';
import type { CriClient } from '../../src/cri/client.js';
import { withListStreams } from '../../src/cri/list-streams.js';
import { observedRuntime } from '../../src/cri/observed-runtime.js';
import { createCriServer } from '../../src/cri/server.js';
import type { CriServer } from '../../src/cri/server.js';
import type { ContainerEventResponse } from '../../src/ports/cri/messages.js';
import {
  newContainer,
  newContainerEventResponse,
  newContainerFilter,
  newGetEventsRequest,
  newImage,
  newListContainersResponse,
  newListImagesResponse,
  newStreamContainersRequest,
  newStreamImagesRequest,
} from '../../src/ports/cri/messages.js';
import type { CriOperation } from '../../src/telemetry/metrics.js';
import { runtimeWith, testClock as clock } from './runtime-double.js';

/** An event of about `bytes` bytes. */
const eventOf = (id: number, bytes = 0): ContainerEventResponse =>
  newContainerEventResponse({ container_id: `${id}-${'x'.repeat(bytes)}` });

describe('cri: streams over a Unix socket', () => {
  let dir: string;
  let server: CriServer;
  let client: CriClient;
  const operations: CriOperation[] = [];

  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-streams-'));
    operations.length = 0;
  });
  afterEach(async () => {
    client.close();
    await server.stop();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  async function serve(verbs: Parameters<typeof runtimeWith>[0]): Promise<void> {
    const metrics = { criOperation: (operation: CriOperation) => void operations.push(operation) };
    const socketPath = path.join(dir, 'cri.sock');
    server = createCriServer({
      runtime: observedRuntime(withListStreams(runtimeWith(verbs)), { log: silentLog, metrics, clock }),
      log: silentLog,
      socketPath,
      clock,
    });
    await server.start();
    client = createCriClient({ socketPath, clock });
  }
  /** Waits for what the other end of the socket is to do. */
  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await clock.sleep(2);
  }
  async function codeCounted(): Promise<string | undefined> {
    await until(() => operations.length > 0);
    expect(operations).to.have.lengthOf(1);
    return operations[0]?.code;
  }
  async function failureOf(work: Promise<unknown>): Promise<NodeletError> {
    return work.then(
      () => expect.fail('the stream should have failed'),
      (thrown: unknown) => asNodeletError(thrown),
    );
  }
  async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
    const messages: T[] = [];
    for await (const message of stream) messages.push(message);
    return messages;
  }
  const events = (ctx = backgroundContext()) => client.runtime.GetContainerEvents(newGetEventsRequest(), ctx);

  it('carries the messages in order, ends after the last and is counted as one call', async () => {
    await serve({
      GetContainerEvents: async function* () {
        for (let id = 0; id < 100; id++) yield eventOf(id);
      },
    });
    expect(await all(events())).to.deep.equal(Array.from({ length: 100 }, (_, id) => eventOf(id)));
    expect(await codeCounted()).to.equal('OK');
  });

  it('tells an error that comes after messages, with its kind', async () => {
    await serve({
      GetContainerEvents: async function* () {
        yield eventOf(1);
        throw new NodeletError('exhausted', 'too slow', { remedy: 'list, and ask again' });
      },
    });
    const stream = events()[Symbol.asyncIterator]();
    expect((await stream.next()).value).to.deep.equal(eventOf(1));
    const error = await failureOf(stream.next());
    expect(error).to.include({ kind: 'exhausted', message: 'too slow; list, and ask again' });
    expect(await codeCounted()).to.equal('RESOURCE_EXHAUSTED');
  });

  it('asks the verb for no more than a slow client takes', async () => {
    let made = 0;
    await serve({
      GetContainerEvents: async function* () {
        for (; made < 500; made++) yield eventOf(made, 100_000);
      },
    });
    const stream = events()[Symbol.asyncIterator]();
    await stream.next();
    let before = -1;
    while (before < made) {
      before = made;
      await clock.sleep(200);
    }
    // What the two ends of the connection hold, flow control's windows included; far from all of it.
    expect(made).to.be.lessThan(60);
    const rest = await all({ [Symbol.asyncIterator]: () => stream });
    expect(rest).to.have.lengthOf(499);
  });

  it('ends the verb of a client that leaves, which waits or is slow', async () => {
    const reasons: unknown[] = [];
    await serve({
      GetContainerEvents: async function* (_request, ctx) {
        try {
          yield eventOf(1);
          await aborted(ctx);
        } finally {
          reasons.push(ctx.signal.reason);
        }
      },
    });
    for await (const message of events()) {
      expect(message).to.deep.equal(eventOf(1));
      break;
    }
    await until(() => reasons.length === 1);
    expect(reasons[0]).to.be.instanceOf(NodeletError).and.include({ kind: 'canceled' });
    expect(await codeCounted()).to.equal('CANCELLED');
  });

  it('ends the verb of a client that leaves while messages wait for it', async () => {
    let isOver = false;
    await serve({
      GetContainerEvents: async function* () {
        try {
          for (;;) yield eventOf(1, 1024 * 1024);
        } finally {
          isOver = true;
        }
      },
    });
    const left = new AbortController();
    const stream = events(backgroundContext(silentLog, left.signal))[Symbol.asyncIterator]();
    await stream.next();
    await clock.sleep(100);
    left.abort(new NodeletError('canceled', 'no more'));
    await until(() => isOver);
    expect(await codeCounted()).to.equal('CANCELLED');
  });

  it('ends streams at once with UNAVAILABLE when the server stops', async () => {
    await serve({
      GetContainerEvents: async function* (_request, ctx) {
        yield eventOf(1);
        await aborted(ctx);
      },
    });
    const stream = events()[Symbol.asyncIterator]();
    await stream.next();
    const ended = failureOf(stream.next());
    await server.stop();
    expect((await ended).kind).to.equal('unavailable');
  });

  it('sends a list in pieces that any client takes, whole and in order', async () => {
    const containers = Array.from({ length: 3000 }, (_, index) =>
      newContainer({ id: `${index}`, labels: { note: 'ü'.repeat(1000) } }),
    );
    let asked: unknown;
    await serve({
      ListContainers: async ({ filter }: { filter: unknown }) => {
        asked = filter;
        return newListContainersResponse({ containers });
      },
    });
    const filter = newContainerFilter({ id: '', label_selector: { a: 'b' } });
    const pieces = await all(
      client.runtime.StreamContainers(newStreamContainersRequest({ filter }), backgroundContext()),
    );
    expect(asked).to.deep.equal(filter);
    expect(pieces.flatMap((piece) => piece.containers)).to.deep.equal(containers);
    const sizes = pieces.map((piece) => JSON.stringify(piece).length);
    expect(Math.max(...sizes)).to.be.lessThan(1024 * 1024);
    // Small enough, but not one by one.
    expect(pieces.length).to.be.lessThan(20);
    expect(await codeCounted()).to.equal('OK');
  });

  it('ends the stream of an empty list without a message, and tells the failure of a list', async () => {
    let images = async () => newListImagesResponse();
    await serve({ ListImages: () => images() });
    const stream = () => all(client.images.StreamImages(newStreamImagesRequest(), backgroundContext()));
    expect(await stream()).to.deep.equal([]);
    images = async () => newListImagesResponse({ images: [newImage({ id: 'sha256:1' })] });
    expect(await stream()).to.deep.equal([{ images: [newImage({ id: 'sha256:1' })] }]);
    images = async () => {
      throw new NodeletError('invalid', 'is no reference', { field: 'filter.image.image' });
    };
    expect(await failureOf(stream())).to.include({ kind: 'invalid' });
  });
});

function aborted({ signal }: CallContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
