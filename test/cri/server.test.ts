import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Client, credentials, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../src/base/call-context.js';
import type { CallContext } from '../../src/base/call-context.js';
import { NodeletError, errorKinds } from '../../src/base/errors.js';
import type { ErrorKind } from '../../src/base/errors.js';
import { createCriClient } from '../../src/cri/client.js';
import type { CriClient } from '../../src/cri/client.js';
import { observedRuntime } from '../../src/cri/observed-runtime.js';
import { createCriServer } from '../../src/cri/server.js';
import type { CriServer } from '../../src/cri/server.js';
import { newVersionRequest, newVersionResponse } from '../../src/ports/cri/messages.js';
import type { CriOperation } from '../../src/telemetry/metrics.js';
import { runtimeWith, testClock as clock } from './runtime-double.js';

type Verbs = Parameters<typeof runtimeWith>[0];

describe('cri: server and client over a Unix socket', () => {
  let dir: string;
  let socketPath: string;
  const closers: (() => Promise<void> | void)[] = [];
  const operations: CriOperation[] = [];

  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-cri-'));
    socketPath = path.join(dir, 'cri.sock');
    operations.length = 0;
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    fs.rmSync(dir, { recursive: true, force: true });
  });

  async function serve(verbs: Verbs): Promise<CriServer> {
    const metrics = { criOperation: (operation: CriOperation) => void operations.push(operation) };
    const server = createCriServer({
      runtime: observedRuntime(runtimeWith(verbs), { log: silentLog, metrics, clock }),
      log: silentLog,
      socketPath,
      clock,
    });
    await server.start();
    closers.push(() => server.stop());
    return server;
  }
  function connect(timeoutMs?: number): CriClient {
    const client = createCriClient({ socketPath, clock, ...(timeoutMs !== undefined && { timeoutMs }) });
    closers.push(() => client.close());
    return client;
  }
  async function failure(work: Promise<unknown>): Promise<NodeletError> {
    try {
      await work;
    } catch (thrown) {
      if (thrown instanceof NodeletError) return thrown;
      throw thrown;
    }
    throw new Error('expected the call to fail');
  }

  it('carries a verb there and back and counts it', async () => {
    await serve({ Version: async ({ version }: { version: string }) => newVersionResponse({ version }) });
    const answer = await connect().runtime.Version(newVersionRequest({ version: 'v1' }), backgroundContext());
    expect(answer).to.deep.equal(newVersionResponse({ version: 'v1' }));
    expect(operations).to.have.lengthOf(1);
    expect(operations[0]).to.include({ operation: 'Version', code: 'OK' });
  });

  it('keeps kind and description of every error across the wire', async () => {
    let kind: ErrorKind = 'bug';
    await serve({
      Version: async () => {
        throw new NodeletError(kind, 'is wrong\nsomehow – ✗', { field: 'config.x', remedy: 'fix it' });
      },
    });
    const client = connect();
    for (kind of errorKinds) {
      const error = await failure(client.runtime.Version(newVersionRequest(), backgroundContext()));
      expect(error.kind).to.equal(kind);
      expect(error.message).to.equal('config.x: is wrong\nsomehow – ✗; fix it');
    }
  });

  it('answers a thrown non-NodeletError as INTERNAL and stays up', async () => {
    await serve({
      Version: () => {
        throw new TypeError('oops');
      },
    });
    const client = connect();
    expect((await failure(client.runtime.Version(newVersionRequest(), backgroundContext()))).kind).to.equal(
      'bug',
    );
    expect(operations[0]?.code).to.equal('INTERNAL');
  });

  it('answers an rpc that CRI lacks with UNIMPLEMENTED and its name', async () => {
    await serve({});
    const client = new Client(`unix://${socketPath}`, credentials.createInsecure());
    closers.push(() => client.close());
    const asIs = (bytes: Buffer): Buffer => bytes;
    const answer = new Promise<ServiceError | null>((resolve) =>
      client.makeUnaryRequest('/runtime.v1.RuntimeService/Frobnicate', asIs, asIs, Buffer.alloc(0), (error) =>
        resolve(error),
      ),
    );
    expect(await answer).to.include({ code: status.UNIMPLEMENTED });
    expect((await answer)?.details).to.include('Frobnicate');
  });

  it("turns the caller's deadline into an aborted signal of kind deadline", async () => {
    let tell: (reason: unknown) => void = () => undefined;
    const seen = new Promise<unknown>((resolve) => (tell = resolve));
    await serve({ Version: (_request, ctx) => waitForAbort(ctx, tell) });
    const error = await failure(connect(1000).runtime.Version(newVersionRequest(), backgroundContext()));
    expect(error.kind).to.equal('deadline');
    expect(await seen)
      .to.be.instanceOf(NodeletError)
      .and.include({ kind: 'deadline' });
  });

  it("turns the caller's cancellation into an aborted signal of kind canceled", async () => {
    const controller = new AbortController();
    let entered = (): void => undefined;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    let tell: (reason: unknown) => void = () => undefined;
    const seen = new Promise<unknown>((resolve) => (tell = resolve));
    await serve({
      Version: (_request, ctx) => {
        entered();
        return waitForAbort(ctx, tell);
      },
    });
    const call = failure(
      connect().runtime.Version(newVersionRequest(), backgroundContext(silentLog, controller.signal)),
    );
    await inside;
    controller.abort();
    expect((await call).kind).to.equal('canceled');
    expect(await seen)
      .to.be.instanceOf(NodeletError)
      .and.include({ kind: 'canceled' });
  });

  it('passes messages of 15 MiB both ways', async () => {
    await serve({ Version: async ({ version }: { version: string }) => newVersionResponse({ version }) });
    const version = 'x'.repeat(15 * 1024 * 1024);
    const answer = await connect().runtime.Version(newVersionRequest({ version }), backgroundContext());
    expect(answer.version.length).to.equal(version.length);
  }).timeout(20_000);

  it('binds with mode 0660, replaces a stale socket, refuses a live one and removes its own', async () => {
    // A listener whose file is hidden from it while it closes leaves the file behind, like a crash does.
    const crashed = net.createServer();
    await new Promise<void>((resolve) => crashed.listen(`${socketPath}.old`, resolve));
    fs.linkSync(`${socketPath}.old`, socketPath);
    await new Promise((resolve) => crashed.close(resolve));
    expect(fs.existsSync(socketPath)).to.equal(true);

    const server = await serve({});
    expect(fs.statSync(socketPath).mode & 0o777).to.equal(0o660);
    const error = await failure(serve({}));
    expect(error.kind).to.equal('exists');
    expect(error.message).to.include(socketPath);
    await server.stop();
    expect(fs.existsSync(socketPath)).to.equal(false);
  });

  it('refuses to replace a file that is no socket', async () => {
    fs.writeFileSync(socketPath, 'precious');
    expect((await failure(serve({}))).message).to.include('not a socket');
    expect(fs.readFileSync(socketPath, 'utf8')).to.equal('precious');
  });
});

function waitForAbort(ctx: CallContext, tell: (reason: unknown) => void): Promise<never> {
  return new Promise((_resolve, reject) => {
    ctx.signal.addEventListener('abort', () => {
      tell(ctx.signal.reason);
      reject(ctx.signal.reason as Error);
    });
  });
}
