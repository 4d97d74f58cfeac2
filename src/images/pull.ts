import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { ImageId } from '../base/ids.js';
import type { DocumentStore } from './document-store.js';
import type { ImageRecord } from './image-catalog.js';
import { resolveImage } from './image-resolve.js';
import type { LayerStore, WantedLayer } from './layer-store.js';
import type { Descriptor } from './manifest.js';
import type { Platform } from './platform.js';
import type { PullReport } from './pull-progress.js';
import type { ImageReference } from './reference.js';
import { repositoryName } from './reference.js';
import type { RegistryClient } from './registry/client.js';
import { transportError } from './registry/failures.js';

export interface PullParts {
  reference: ImageReference;
  client: RegistryClient;
  layers: LayerStore;
  documents: DocumentStore;
  machine: Platform;
  /** Layers that are fetched at the same time. */
  downloads: number;
  report: PullReport;
  signal: AbortSignal;
  /** Makes the image known while its layers are held. */
  save: (record: ImageRecord) => Promise<ImageRecord>;
}

/** Fetches what of an image isn't there yet and saves its record. */
export async function pullImage(parts: PullParts): Promise<ImageRecord> {
  const { reference, layers, documents, report, save } = parts;
  const image = await resolveImage(reference, parts);
  const { manifest, config } = image;
  report.resolved(manifest.layers);
  const chain = chainIds(config.diffIds);
  const wanted = manifest.layers.map((descriptor, index) => ({
    descriptor,
    chainId: chain[index] ?? '',
    diffId: config.diffIds[index] ?? '',
  }));
  const release = layers.hold(chain);
  try {
    await ensureAll(wanted, parts);
    const kept = image.documents;
    const releaseDocuments = await documents.put(Object.values(kept));
    try {
      return await save({
        version: 1,
        id: manifest.config.digest as ImageId,
        repoTags:
          reference.digest === undefined ? [`${repositoryName(reference)}:${reference.tag ?? 'latest'}`] : [],
        repoDigests: [`${repositoryName(reference)}@${image.digest}`],
        layers: chain.toReversed(),
        run: config.run,
        platform: config.platform,
        created: config.created,
        diffIds: config.diffIds,
        documents: {
          config: kept.config.digest,
          manifest: kept.manifest.digest,
          ...(kept.index !== undefined && { index: kept.index.digest }),
        },
      });
    } finally {
      releaseDocuments();
    }
  } finally {
    release();
  }
}

type LayerParts = Pick<PullParts, 'client' | 'layers' | 'signal' | 'downloads' | 'report'>;

/** A few layers at a time. The first failure stops the others, and all have ended when this does. */
async function ensureAll(wanted: readonly WantedLayer[], parts: LayerParts): Promise<void> {
  const stop = new AbortController();
  const together = AbortSignal.any([parts.signal, stop.signal]);
  const queue = [...wanted];
  let failure: { thrown: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
      await ensureOne(layer, { ...parts, signal: together });
    }
  };
  const guarded = (): Promise<void> =>
    worker().catch((thrown: unknown) => {
      failure ??= { thrown };
      stop.abort(thrown);
    });
  await Promise.all(Array.from({ length: parts.downloads }, guarded));
  if (failure !== undefined) throw failure.thrown;
}

/** One layer; one that came damaged is fetched anew from whom had no part in that. */
async function ensureOne(layer: WantedLayer, { client, layers, signal, report }: LayerParts): Promise<void> {
  const { digest } = layer.descriptor;
  if (layers.has(layer.chainId)) {
    report.layer(digest, 'exists');
    return;
  }
  await client.retryingDamaged(layer.descriptor, signal, () =>
    layers.ensure(layer, signal, (file, flight) => download(layer.descriptor, file, client, flight)),
  );
  report.layer(digest, 'done');
}

async function download(
  descriptor: Descriptor,
  file: string,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pipeline(client.blob(descriptor, signal), fs.createWriteStream(file), { signal });
  } catch (thrown) {
    throw transportError(thrown, '', signal);
  }
}

/** Chain ids bottom up: sha256 of the chain below, a space, and the diff id (image-spec config.md). */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(
      below === undefined
        ? diffId
        : `sha256:${createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`,
    );
  }
  return chain;
}
