import { NodeletError } from '../../base/errors.js';
import type { LayerArchives, LayerLimits, LayerPlaces, UnpackedArchive } from '../../ports/layer-archives.js';
import type { Descriptor } from '../manifest.js';

/** What an unpacked layer takes and what of it was left out. */
export type LayerSurvey = Omit<UnpackedArchive, 'diffId'>;

export interface UnpackRequest {
  /** The compressed layer, which is checked against its descriptor by whoever gives it. */
  chunks: AsyncIterable<Buffer>;
  descriptor: Descriptor;
  /** What the image's config says of the uncompressed layer. */
  diffId: string;
  places: LayerPlaces;
  limits: LayerLimits;
  signal: AbortSignal;
  /** Told how many compressed bytes have been taken so far. */
  onProgress?: (takenBytes: number) => void;
}

/** Layers of OCI and of Docker; `nondistributable` and `foreign` only mean that a registry may not pass them on. */
const layerTypes =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.gzip|\.zstd)?)$/;

/** Refuses a layer that could not be unpacked, before it is fetched. */
export function checkLayerType({ mediaType, digest }: Descriptor): void {
  if (layerTypes.test(mediaType)) return;
  throw new NodeletError('unsupported', `layer ${digest} is of type ${mediaType}`, {
    field: 'manifest.layers.mediaType',
    remedy: 'push the image with layers that are tar archives: plain, or with gzip or zstd',
  });
}

/**
 * Unpacks a layer into overlayfs' form (image-spec layer.md) as it comes; `corrupt` when it isn't what its diff id says, or is hostile,
 * `exhausted` for a limit or a full disk. The caller removes what is left of a layer that failed.
 */
export async function unpackLayer(
  request: UnpackRequest,
  { layerArchives }: { layerArchives: LayerArchives },
): Promise<LayerSurvey> {
  const { chunks, descriptor, diffId, places, limits, signal, onProgress } = request;
  const { diffId: got, ...survey } = await layerArchives.unpack({
    places,
    chunks: onProgress === undefined ? chunks : counted(chunks, onProgress),
    limits,
    signal,
  });
  if (got === diffId) return survey;
  throw new NodeletError('corrupt', `layer ${descriptor.digest} unpacks to ${got}, not ${diffId}`, {
    field: 'config.rootfs.diff_ids',
    remedy: 'push the image again; nothing of it was kept',
  });
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  tell: (takenBytes: number) => void,
): AsyncGenerator<Buffer> {
  let takenBytes = 0;
  for await (const chunk of chunks) {
    takenBytes += chunk.length;
    tell(takenBytes);
    yield chunk;
  }
}
