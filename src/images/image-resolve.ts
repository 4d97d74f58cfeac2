import { NodeletError } from '../base/errors.js';
import type { ImageDocument } from './document-store.js';
import type { ImageConfig } from './image-config.js';
import { readImageConfig } from './image-config.js';
import type { Descriptor, ImageManifest } from './manifest.js';
import { indexTypes, readManifest } from './manifest.js';
import type { Platform } from './platform.js';
import { checkPlatform, choosePlatform } from './platform.js';
import type { ImageReference } from './reference.js';
import type { FetchedManifest, RegistryClient } from './registry/client.js';

/** What a reference means on one machine. */
export interface ResolvedImage {
  /** Of what the reference names: an index, where there is one. */
  digest: string;
  manifest: ImageManifest;
  config: ImageConfig;
  documents: { index?: ImageDocument; manifest: ImageDocument; config: ImageDocument };
}

/** An index may name indexes, and those manifests only. */
const indexesMax = 2;

/** Follows a reference to the manifest and config for `machine`; the digest of a reference decides over its tag. */
export async function resolveImage(
  { tag = 'latest', digest }: Pick<ImageReference, 'tag' | 'digest'>,
  { client, machine, signal }: { client: RegistryClient; machine: Platform; signal: AbortSignal },
): Promise<ResolvedImage> {
  const top = await client.manifest(digest ?? tag, signal);
  const indexes: FetchedManifest[] = [];
  let at = top;
  let described: Descriptor | undefined;
  for (;;) {
    const { bytes, contentType } = at;
    const document = readManifest(bytes, { contentType, described: described?.mediaType ?? '' });
    if ('manifest' in document) {
      const { manifest } = document;
      const bytesOfConfig = await client.smallBlob('config', manifest.config, signal);
      const config = readImageConfig(bytesOfConfig);
      checkPlatform(config.platform, machine);
      checkLayers(manifest, config);
      const [index] = indexes;
      return {
        digest: top.digest,
        manifest,
        config,
        documents: {
          ...(index !== undefined && { index }),
          manifest: at,
          config: { digest: manifest.config.digest, bytes: bytesOfConfig },
        },
      };
    }
    indexes.push(at);
    described = choosePlatform(document.index, machine);
    if (indexes.length >= indexesMax && indexTypes.includes(described.mediaType)) throw tooDeep();
    at = await client.manifest(described.digest, signal);
    if (at.bytes.length !== described.sizeBytes) throw wrongSize(described, at.bytes.length);
  }
}

function checkLayers({ layers }: ImageManifest, { diffIds }: ImageConfig): void {
  if (diffIds.length === layers.length) return;
  throw new NodeletError('corrupt', `the image has ${layers.length} layers but ${diffIds.length} diff ids`, {
    field: 'config.rootfs.diff_ids',
    remedy: 'push the image again; nothing of it was kept',
  });
}

const tooDeep = (): NodeletError =>
  new NodeletError('unsupported', 'the image has indexes within indexes, several deep', {
    field: 'manifest.manifests',
    remedy: 'push it with a plainer index',
  });

const wrongSize = ({ digest, sizeBytes }: Descriptor, got: number): NodeletError =>
  new NodeletError('corrupt', `the manifest ${digest} has ${got} bytes, not ${sizeBytes} as its index says`, {
    field: 'manifest',
    remedy: 'push the image again; nothing of it was kept',
  });
