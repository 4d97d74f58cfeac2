import { NodeletError, asNodeletError, isKind } from '../../base/errors.js';
import type { Clock } from '../../ports/clock.js';
import type { Random } from '../../ports/random.js';
import { digestForm, digestLike, sha256Of } from '../digest.js';
import type { Descriptor } from '../manifest.js';
import { manifestAccept } from '../manifest.js';
import type { PullReport } from '../pull-progress.js';
import { BlobTransfer, mismatch } from './blob-transfer.js';
import type { DownloadSlots } from './download-slots.js';
import { transportError } from './failures.js';
import { ForeignSource } from './foreign-source.js';
import type { Patience } from './patience.js';
import type { Source } from './source-rotation.js';
import { SourceRotation } from './source-rotation.js';
import type { RegistryTransport } from './transport.js';
import { bytesOf } from './transport.js';

/** Manifests and configs are read into memory: a registry that sends more is refused. */
const documentMaxBytes = 4 * 1024 * 1024;

export interface RegistryClientParts {
  /** In the order in which they are tried; the registry itself is the last one. */
  sources: readonly Source[];
  transport: RegistryTransport;
  patience: Patience;
  slots: DownloadSlots;
  /** Whether layers may be fetched from the addresses that a manifest names. */
  foreignLayers: boolean;
  host: { clock: Clock; random: Random };
  report?: Pick<PullReport, 'received' | 'retrying' | 'restarted'>;
}

/** A manifest or index as it came. */
export interface FetchedManifest {
  bytes: Buffer;
  digest: string;
  /** Of the answer's header; empty where it has none. */
  contentType: string;
}

/** One repository as one pull sees it: distribution-spec's pull part. All that it returns was checked against its digest. */
export class RegistryClient {
  /** Sources that lacked something or failed: in this pull the others come first. */
  private readonly demoted = new Set<Source>();
  /** By digest of a blob, who has sent wrong bytes of it. */
  private readonly distrusted = new Map<string, Set<Source>>();
  /** Bytes of bodies that came so far. */
  receivedBytes = 0;

  constructor(private readonly parts: RegistryClientParts) {}

  /** A manifest or index by tag or digest. */
  async manifest(which: string, signal: AbortSignal): Promise<FetchedManifest> {
    const rotation = this.rotation(undefined);
    for (;;) {
      try {
        return await this.manifestFrom(rotation.current, which, signal);
      } catch (thrown) {
        await rotation.failed(transportError(thrown, rotation.current.name, signal), signal);
      }
    }
  }

  /** A small blob, in memory. */
  async smallBlob(part: string, descriptor: Descriptor, signal: AbortSignal): Promise<Buffer> {
    if (descriptor.sizeBytes > documentMaxBytes) throw tooLarge(part);
    return this.retryingDamaged(descriptor, signal, async () => {
      const chunks = [];
      for await (const chunk of this.transfer(part, descriptor, signal)) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  /**
   * A layer's compressed bytes, whole and in order, fetched as they are taken. The stream ends well only if size and digest are the
   * descriptor's; bytes that came before are nobody's until then.
   */
  async *blob(descriptor: Descriptor, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    const release = await this.parts.slots.acquire(signal);
    try {
      this.parts.report?.restarted(descriptor.digest);
      yield* this.transfer('layer', descriptor, signal);
    } catch (thrown) {
      throw isKept(descriptor, thrown) && !this.parts.foreignLayers
        ? keptElsewhere(descriptor, thrown)
        : thrown;
    } finally {
      release();
    }
  }

  /** Repeats `use` of a blob that came damaged while sources are left that had no part in that. */
  async retryingDamaged<T>(descriptor: Descriptor, signal: AbortSignal, use: () => Promise<T>): Promise<T> {
    let damage: NodeletError | undefined;
    for (;;) {
      try {
        return await use();
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        if (damage !== undefined && !isKind(thrown, 'corrupt')) throw alsoElsewhere(damage, thrown);
        if (!isKind(thrown, 'corrupt') || !this.mayRetry(descriptor)) throw thrown;
        damage = thrown;
      }
    }
  }

  private mayRetry(descriptor: Descriptor): boolean {
    const distrusted = this.distrusted.get(descriptor.digest);
    return distrusted !== undefined && this.sourcesFor(descriptor).some((source) => !distrusted.has(source));
  }

  private transfer(part: string, descriptor: Descriptor, signal: AbortSignal) {
    const { digest } = descriptor;
    return new BlobTransfer({
      part,
      descriptor,
      rotation: this.rotation(descriptor),
      signal,
      onBytes: (bytes) => {
        this.receivedBytes += bytes;
        this.parts.report?.received(digest, bytes);
      },
      onDamaged: (senders) => {
        this.distrusted.set(digest, new Set([...(this.distrusted.get(digest) ?? []), ...senders]));
      },
    }).chunks();
  }

  private rotation(wanted: Pick<Descriptor, 'digest' | 'urls'> | undefined): SourceRotation {
    const { patience, host, report } = this.parts;
    const all = wanted === undefined ? this.parts.sources : this.sourcesFor(wanted);
    const distrusted = this.distrusted.get(wanted?.digest ?? '');
    const trusted = all.filter((source) => distrusted?.has(source) !== true);
    const isFirst = (source: Source) => !this.demoted.has(source);
    return new SourceRotation({
      sources: [...trusted.filter(isFirst), ...trusted.filter((source) => !isFirst(source))],
      patience,
      host,
      onRetry: (why) => report?.retrying(wanted?.digest, why),
      onGivenUp: (source) => this.demoted.add(source),
    });
  }

  /** Its own addresses come after the registry's: many registries keep such a layer all the same. */
  private sourcesFor({ digest, urls }: Pick<Descriptor, 'digest' | 'urls'>): Source[] {
    const { sources, foreignLayers, transport } = this.parts;
    if (!foreignLayers || urls === undefined) return [...sources];
    const known = this.foreign.get(digest) ?? urls.map((url) => new ForeignSource(url, transport));
    this.foreign.set(digest, known);
    return [...sources, ...known];
  }
  private readonly foreign = new Map<string, Source[]>();

  private async manifestFrom(source: Source, which: string, signal: AbortSignal): Promise<FetchedManifest> {
    const request = {
      method: 'GET' as const,
      path: `/manifests/${which}`,
      headers: { accept: manifestAccept },
      signal,
    };
    const { body, headers } = await source.request(request, [200]);
    const bytes = await bytesOf(body, documentMaxBytes, (more) => (this.receivedBytes += more));
    if (bytes === undefined) throw tooLarge('manifest');
    // Who asks by digest is answered by that one; what the registry says of a tag tells of damage on the way.
    const told = [headers['docker-content-digest'] ?? ''].flat()[0] ?? '';
    for (const wanted of [which, told].filter((digest) => digestForm.test(digest))) {
      const digest = digestLike(wanted, bytes);
      if (digest !== wanted) throw mismatch('manifest', wanted, digest);
    }
    const contentType = [headers['content-type'] ?? ''].flat()[0]?.split(';')[0]?.trim() ?? '';
    return { bytes, digest: digestForm.test(which) ? which : sha256Of(bytes), contentType };
  }
}

const isKept = ({ urls }: Descriptor, thrown: unknown): boolean =>
  urls !== undefined && isKind(thrown, 'not-found');

const keptElsewhere = ({ digest, urls = [] }: Descriptor, cause: unknown): NodeletError =>
  new NodeletError(
    'unsupported',
    `the layer ${digest} isn't kept by the registry, only at ${urls.join(', ')}`,
    {
      field: 'manifest.layers.urls',
      remedy: 'set images.foreignLayers: true to have it fetched from there',
      cause,
    },
  );

const alsoElsewhere = (damage: NodeletError, thrown: unknown): NodeletError =>
  new NodeletError(damage.kind, `${damage.message}; and elsewhere: ${asNodeletError(thrown).message}`, {
    ...(damage.field !== undefined && { field: damage.field }),
    ...(damage.remedy !== undefined && { remedy: damage.remedy }),
    cause: damage,
  });

const tooLarge = (part: string): NodeletError =>
  new NodeletError('exhausted', `the ${part} is larger than ${documentMaxBytes} bytes`, {
    field: part,
    remedy: 'name a container image',
  });
