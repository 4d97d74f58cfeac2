import type { ImageId } from '../base/ids.js';
import type { DocumentStore } from './document-store.js';
import type { ImageRecord } from './image-catalog.js';
import { resolveImage } from './image-resolve.js';
import type { LayerStore, WantedLayer } from './layers/layer-store.js';
import type { Platform } from './platform.js';
import type { PullReport } from './pull-progress.js';
import type { ImageReference } from './reference.js';
import { repositoryName } from './reference.js';
import type { RegistryClient } from './registry/client.js';

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
  const wanted = manifest.layers.map((descriptor, index) => ({
    descriptor,
    diffId: config.diffIds[index] ?? '',
  }));
  const release = layers.hold(config.diffIds);
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
        layers: config.diffIds.toReversed(),
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
  if (layers.has(layer.diffId)) {
    report.layer(digest, 'exists');
    return;
  }
  await client.retryingDamaged(layer.descriptor, signal, () =>
    layers.ensure(layer, signal, (flight) => client.blob(layer.descriptor, flight)),
  );
  report.layer(digest, 'done');
}
