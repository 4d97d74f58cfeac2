import { defaultLayerLimits } from '../../../src/spec/config/layer-limits-config.js';
import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { silentLog } from '../../../src/base/call-context.js';
import { NodeletError } from '../../../src/base/errors.js';
import type { Descriptor } from '../../../src/images/manifest.js';
import { parseReference } from '../../../src/images/reference.js';
import type { RegistryClient } from '../../../src/images/registry/client.js';
import type { Patience } from '../../../src/images/registry/patience.js';
import { defaultImageGc } from '../../../src/spec/config/image-gc-config.js';
import { Registries } from '../../../src/images/registry/registries.js';
import { createRealHost } from '../../../src/host/real-host.js';
import type { Host } from '../../../src/ports/host.js';
import { testRegistry } from '../test-registry.js';
import { FaultProxy } from './fault-proxy.js';
import { failureOf } from './image-world.js';
import { digestOf } from './registry-double.js';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const kib = 1024;
const quick: Partial<Patience> = {
  stallMs: 1500,
  attempts: 4,
  connectAttempts: 2,
  firstPauseMs: 1,
  longestPauseMs: 5,
};

async function pushBlob(
  registry: string,
  repository: string,
  bytes: Buffer,
  algorithm = 'sha256',
): Promise<Descriptor> {
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  const start = await fetch(`http://${registry}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const place = new URL(start.headers.get('location') ?? '', `http://${registry}`);
  place.searchParams.set('digest', digest);
  const answer = await fetch(place, { method: 'PUT', body: new Uint8Array(bytes) });
  if (answer.status !== 201) throw new Error(`pushing a blob: ${answer.status}`);
  return { mediaType: 'application/octet-stream', digest, sizeBytes: bytes.length };
}

describe('images: a blob whose connection breaks (real registry)', () => {
  const content = randomBytes(600 * kib);
  let dir: string;
  let host: Host;
  let registry: string;
  let proxy: FaultProxy;
  let registries: Registries;
  let descriptor: Descriptor;
  let events: string[];
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-resume-'));
    host = createRealHost({ storePath: `${dir}/records`, bootPath: `${dir}/boot` });
    registry = (await testRegistry()).address;
    descriptor = await pushBlob(registry, 'resumed', content);
    proxy = new FaultProxy(registry);
    await proxy.start();
    registries = newRegistries();
    await registries.start();
  });
  after(async () => {
    await registries.stop();
    await proxy.stop();
    await host.store.close();
    fs.rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    proxy.reset();
    events = [];
  });

  function newRegistries(file = `${dir}/none.yaml`, maxDownloads = 4): Registries {
    return new Registries({
      config: {
        registries: [],
        registriesFile: file,
        dockerConfig: `${dir}/none.json`,
        images: {
          downloadsPerPull: 3,
          maxDownloads,
          foreignLayers: false,
          limits: defaultLayerLimits,
          gc: defaultImageGc,
        },
      },
      host,
      log: silentLog,
      patience: quick,
    });
  }
  async function client(of = registries, patience: Partial<Patience> = {}): Promise<RegistryClient> {
    const sources = await of.sources(parseReference(`${proxy.host}/resumed:1`), undefined);
    const report = {
      received: () => undefined,
      restarted: () => undefined,
      retrying: (_digest: string | undefined, why: string) => void events.push(why),
    };
    return of.clientOf(sources, { report: report as never, patience });
  }
  async function fetched(from?: RegistryClient, signal = new AbortController().signal): Promise<Buffer> {
    const chunks = [];
    for await (const chunk of (from ?? (await client())).blob(descriptor, signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
  function isWhole(bytes: Buffer): void {
    expect(digestOf(bytes)).to.equal(descriptor.digest);
  }

  it('comes whole, the rest only being asked for', async () => {
    proxy.fault('/blobs/', { kind: 'cut', afterBytes: 200 * kib });
    isWhole(await fetched());
    const [first, second] = proxy.to('/blobs/');
    expect(first?.range).to.equal(undefined);
    expect(second?.range).to.match(/^bytes=\d+-$/);
    expect(Number(/\d+/.exec(second?.range ?? '')?.[0])).to.be.greaterThan(0);
    expect(events.join()).to.include('again in');
  });

  it('comes whole from a server that knows no ranges, and from one that answers another range', async () => {
    proxy.fault('/blobs/', { kind: 'cut', afterBytes: 200 * kib });
    proxy.fault('/blobs/', { kind: 'whole' });
    isWhole(await fetched());
    proxy.reset();
    proxy.fault('/blobs/', { kind: 'cut', afterBytes: 300 * kib });
    proxy.fault('/blobs/', { kind: 'other-range', shiftBytes: 17 });
    isWhole(await fetched());
    expect(proxy.to('/blobs/').at(-1)?.range, 'it is not asked for ranges again').to.equal(undefined);
  });

  it('goes on after a stall, and after answers that ask to wait', async () => {
    proxy.fault('/blobs/', { kind: 'stall', afterBytes: 100 * kib });
    proxy.fault('/blobs/', { kind: 'status', status: 503 });
    proxy.fault('/blobs/', { kind: 'status', status: 429, headers: { 'retry-after': '0' } });
    isWhole(await fetched());
    expect(proxy.to('/blobs/')).to.have.lengthOf(4);
    expect(events.join()).to.include('503');
  });

  it('comes slowly through a slow line, with no retry', async () => {
    proxy.fault('/blobs/', { kind: 'slow', bytesPerSecond: 2_000_000 });
    isWhole(await fetched());
    expect(proxy.to('/blobs/')).to.have.lengthOf(1);
  });

  it('that came with another byte is refused at its end', async () => {
    proxy.fault('/blobs/', { kind: 'cut', afterBytes: 200 * kib });
    proxy.fault('/blobs/', { kind: 'corrupt', atByte: 50 * kib });
    expect(await failureOf(fetched())).to.include({ kind: 'corrupt', field: 'layer' });
  });

  it('is given up when nothing more comes of it, told by what was last wrong', async () => {
    proxy.fault('/blobs/', { kind: 'cut', afterBytes: 10 }, 100);
    const error = await failureOf(fetched());
    expect(error.kind).to.equal('unavailable');
    expect(proxy.to('/blobs/')).to.have.lengthOf(quick.attempts ?? 0);
    proxy.reset();
    proxy.fault('/blobs/', { kind: 'status', status: 429 }, 100);
    expect((await failureOf(fetched())).kind).to.equal('exhausted');
  });

  it('is not waited for longer than all pauses may be', async () => {
    proxy.fault('/blobs/', { kind: 'status', status: 429, headers: { 'retry-after': '3600' } }, 100);
    const error = await failureOf(fetched());
    expect(error.kind).to.equal('exhausted');
    expect(error.message).to.include('3600 s');
    expect(proxy.to('/blobs/')).to.have.lengthOf(1);
  });

  it('is left at once by a caller that gives up in a pause, a stall or in the middle', async () => {
    const reasons: [name: string, patience: Partial<Patience>, prepare: () => void][] = [
      [
        'pause',
        { firstPauseMs: 60_000, longestPauseMs: 60_000, pausesMs: 600_000 },
        () => proxy.fault('/blobs/', { kind: 'status', status: 503 }, 9),
      ],
      ['stall', {}, () => proxy.fault('/blobs/', { kind: 'stall', afterBytes: 1000 }, 9)],
      ['middle', {}, () => proxy.fault('/blobs/', { kind: 'slow', bytesPerSecond: 30_000 }, 9)],
    ];
    for (const [name, patience, prepare] of reasons) {
      proxy.reset();
      events = [];
      prepare();
      const caller = new AbortController();
      const reason = new NodeletError('deadline', 'too late');
      const from = await client(registries, patience);
      const failure = failureOf(fetched(from, caller.signal));
      while (from.receivedBytes + events.length === 0) await turn();
      const beganMs = performance.now();
      caller.abort(reason);
      expect(await failure, name).to.equal(reason);
      expect(performance.now() - beganMs, name).to.be.lessThan(1000);
    }
  });

  it('comes whole and in order wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(descriptor.sizeBytes), fc.nat(100)), { maxLength: 6 }),
        fc.array(fc.constantFrom('whole' as const, 'cut' as const), { maxLength: 3 }),
        async (cuts, kinds) => {
          proxy.reset();
          for (const [index, afterBytes] of cuts.entries()) {
            proxy.fault(
              '/blobs/',
              kinds[index] === 'whole' ? { kind: 'whole' } : { kind: 'cut', afterBytes },
            );
          }
          const patient = await client(registries, { attempts: 20 });
          expect((await fetched(patient)).equals(content)).to.equal(true);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('is not taken faster than it is used', async () => {
    const big = randomBytes(48 * kib * kib);
    const wanted = await pushBlob(registry, 'resumed', big);
    const from = await client();
    const chunks = from.blob(wanted, new AbortController().signal);
    await chunks.next();
    while (!proxy.isHeldUp) await turn();
    // What the kernel and both ends have room for, and no more.
    expect(proxy.sentBytes).to.be.lessThan(big.length / 2);
    await drain(chunks);
    expect(from.receivedBytes).to.equal(big.length);
  });

  it('may have a sha512 digest', async () => {
    const bytes = randomBytes(1000);
    const wanted = await pushBlob(registry, 'resumed', bytes, 'sha512');
    const got = [];
    for await (const chunk of (await client()).blob(wanted, new AbortController().signal)) got.push(chunk);
    expect(Buffer.concat(got).equals(bytes)).to.equal(true);
    proxy.fault('/blobs/', { kind: 'corrupt', atByte: 7 });
    const spoiled = (await client()).blob(wanted, new AbortController().signal);
    expect((await failureOf(drain(spoiled))).kind).to.equal('corrupt');
  });

  it('waits for its turn when as many come as may', async () => {
    const narrow = newRegistries(`${dir}/none.yaml`, 1);
    await narrow.start();
    try {
      const from = await client(narrow);
      const first = from.blob(descriptor, new AbortController().signal);
      await first.next();
      const caller = new AbortController();
      const left = failureOf(drain(from.blob(descriptor, caller.signal)));
      const second = drain(from.blob(descriptor, new AbortController().signal));
      caller.abort();
      expect((await left).kind).to.equal('canceled');
      expect(proxy.to('/blobs/')).to.have.lengthOf(1);
      await first.return();
      await second;
    } finally {
      await narrow.stop();
    }
  });
});

const turn = (): Promise<void> => new Promise(setImmediate);

async function drain(chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const _chunk of chunks);
}
