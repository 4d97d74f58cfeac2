import { createHash } from 'node:crypto';
import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import type { ImageRecord } from './image-catalog.js';
import type { LayerStore, WantedLayer } from './layer-store.js';
import type { ImageManifest } from './manifest.js';
import { readImageConfig, readManifest } from './manifest.js';
import { checkPlatform, choosePlatform } from './platform.js';
import type { ImageReference } from './reference.js';
import { repositoryName } from './reference.js';
import type { RegistryClient } from './registry/client.js';

export interface PullParts {
  reference: ImageReference;
  client: RegistryClient;
  layers: LayerStore;
  signal: AbortSignal;
  /** Makes the image known while its layers are held. */
  save: (record: ImageRecord) => Promise<ImageRecord>;
}

const layersAtOnce = 3;

/** Fetches what of an image isn't there yet and saves its record. The digest of a reference decides over its tag. */
export async function pullImage({
  reference,
  client,
  layers,
  signal,
  save,
}: PullParts): Promise<ImageRecord> {
  const top = await client.manifest(reference.digest ?? reference.tag ?? 'latest', signal);
  const manifest = await manifestOf(top.bytes, client, signal);
  const config = readImageConfig(await client.smallBlob('config', manifest.config, signal));
  checkPlatform(config.platform);
  if (config.diffIds.length !== manifest.layers.length) {
    throw new NodeletError(
      'corrupt',
      `the image has ${manifest.layers.length} layers but ${config.diffIds.length} diff ids`,
      { field: 'config.rootfs.diff_ids', remedy: 'push the image again; nothing of it was kept' },
    );
  }
  const chain = chainIds(config.diffIds);
  const wanted = manifest.layers.map((descriptor, index) => ({
    descriptor,
    chainId: chain[index] ?? '',
    diffId: config.diffIds[index] ?? '',
  }));
  const release = layers.hold(chain);
  try {
    await ensureAll(wanted, { client, layers, signal });
    const name = repositoryName(reference);
    return await save({
      version: 1,
      id: manifest.config.digest as ImageId,
      repoTags: reference.digest === undefined ? [`${name}:${reference.tag ?? 'latest'}`] : [],
      repoDigests: [`${name}@${top.digest}`],
      layers: chain.toReversed(),
      run: config.run,
      platform: config.platform,
      created: config.created,
      diffIds: config.diffIds,
    });
  } finally {
    release();
  }
}

async function manifestOf(
  bytes: Buffer,
  client: RegistryClient,
  signal: AbortSignal,
): Promise<ImageManifest> {
  const top = readManifest(bytes);
  if ('manifest' in top) return top.manifest;
  const chosen = readManifest((await client.manifest(choosePlatform(top.index).digest, signal)).bytes);
  if ('manifest' in chosen) return chosen.manifest;
  throw new NodeletError('unsupported', 'the image has an index within an index', {
    field: 'manifest.manifests',
  });
}

/** A few layers at a time. The first failure stops the others, and all have ended when this does. */
async function ensureAll(
  wanted: readonly WantedLayer[],
  { client, layers, signal }: Pick<PullParts, 'client' | 'layers' | 'signal'>,
): Promise<void> {
  const stop = new AbortController();
  const together = AbortSignal.any([signal, stop.signal]);
  const queue = [...wanted];
  let failure: { thrown: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
      const { descriptor } = layer;
      await layers.ensure(layer, together, (file, flight) => client.blob('layer', descriptor, file, flight));
    }
  };
  const guarded = (): Promise<void> =>
    worker().catch((thrown: unknown) => {
      failure ??= { thrown };
      stop.abort(thrown);
    });
  await Promise.all(Array.from({ length: layersAtOnce }, guarded));
  if (failure !== undefined) throw failure.thrown;
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
