import { NodeletError } from '../base/errors.js';
import { digestForm } from './digest.js';
import type { JsonObject } from './json-part.js';
import { JsonPart, parseJson } from './json-part.js';
import type { Platform } from './platform.js';

/** image-spec descriptor.md, the parts that pulling needs. */
export interface Descriptor {
  mediaType: string;
  /** `sha256:<64 hex>` or `sha512:<128 hex>`. */
  digest: string;
  sizeBytes: number;
  /** Addresses beside the registry, for what registries don't keep; absent where there are none. */
  urls?: string[];
}

export interface ImageManifest {
  config: Descriptor;
  layers: Descriptor[];
}

export interface IndexEntry extends Descriptor {
  platform: Platform | undefined;
}

/** What is known of a document beside its bytes: the media types of the answer's header and of the descriptor that led here, or empty. */
export interface DocumentTypes {
  contentType?: string;
  described?: string;
}

const configTypes = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
export const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const schema1Types = [
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
];
const artifactType = 'application/vnd.oci.artifact.manifest.v1+json';
const knownTypes = [...indexTypes, ...manifestTypes, ...schema1Types, artifactType];

/** What a registry is asked for. Whatever else it has is told by what it is, and not that there is nothing. */
export const manifestAccept = [...manifestTypes, ...indexTypes, artifactType, '*/*;q=0.1'].join(', ');

/** Layers that registries needn't keep, by the names of those that are otherwise the same. */
const foreignTypes: Partial<Record<string, string>> = {
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip':
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
  'application/vnd.docker.image.rootfs.foreign.diff.tar': 'application/vnd.docker.image.rootfs.diff.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar': 'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip':
    'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd':
    'application/vnd.oci.image.layer.v1.tar+zstd',
};

/** Reads an image manifest or an index (image-spec manifest.md, image-index.md; Docker's schema 2); errors name the part. */
export function readManifest(
  bytes: Buffer,
  types: DocumentTypes = {},
): { manifest: ImageManifest } | { index: IndexEntry[] } {
  const top = new JsonPart('manifest', parseJson(bytes, 'manifest')).asObject();
  const mediaType = agreedType(top, types);
  const isIndex = indexTypes.includes(mediaType) || (mediaType === '' && top.has('manifests'));
  // One document that can be read both ways would be two images under one digest (CVE-2021-41190).
  const strange = isIndex ? ['layers', 'config', 'fsLayers'] : ['manifests'];
  for (const name of strange.filter((each) => top.has(each))) {
    throw top.part(name).wrong(`absent from ${isIndex ? 'an index' : 'a manifest'}`);
  }
  if (isIndex) return { index: top.list('manifests').map(readEntry) };
  if (mediaType === artifactType) throw artifact(top.textOr('artifactType', artifactType));
  const config = readDescriptor(top.part('config'));
  if (!configTypes.includes(config.mediaType)) throw artifact(top.textOr('artifactType', config.mediaType));
  if (!config.digest.startsWith('sha256:')) {
    throw new NodeletError(
      'unsupported',
      'the digest of the config, which is the id of the image, is no sha256',
      {
        field: 'manifest.config.digest',
        remedy: 'push the image with a config by its sha256',
      },
    );
  }
  const layers = top.list('layers').map(readDescriptor);
  if (layers.length === 0) {
    throw new NodeletError('unsupported', 'the image has no layers, so nothing in it can run', {
      field: 'manifest.layers',
    });
  }
  return { manifest: { config, layers } };
}

/** The type on which header, descriptor and the document itself agree; empty where none of them says it. */
function agreedType(top: JsonObject, { contentType = '', described = '' }: DocumentTypes): string {
  const own = top.textOr('mediaType', '');
  // Registries also have general types there, such as application/json.
  const header = knownTypes.includes(contentType) ? contentType : '';
  const named = [own, described, header].filter((type) => type !== '');
  const mediaType = named[0] ?? '';
  const other = named.find((type) => type !== mediaType);
  if (other !== undefined)
    throw top.part('mediaType').wrong(`one type only: it is ${mediaType} and ${other}`);
  const isOld = schema1Types.includes(mediaType) || top.has('fsLayers') || top.has('signatures');
  if (isOld || (top.has('schemaVersion') && top.size('schemaVersion') === 1)) {
    throw new NodeletError('unsupported', 'the image has a manifest of schema version 1', {
      field: 'manifest.schemaVersion',
      remedy: 'push it again with a current tool, which writes version 2',
    });
  }
  if (mediaType !== '' && !knownTypes.includes(mediaType)) {
    throw new NodeletError('unsupported', `the manifest is of type ${mediaType}`, {
      field: 'manifest.mediaType',
      remedy: 'name a container image',
    });
  }
  return mediaType;
}

const artifact = (type: string): NodeletError =>
  new NodeletError('unsupported', `this is an artifact of type ${type}, no image`, {
    field: 'manifest.config.mediaType',
    remedy: 'name a container image',
  });

function readDescriptor(part: JsonPart): Descriptor {
  const descriptor = part.asObject();
  const digest = descriptor.text('digest');
  if (!digestForm.test(digest)) throw descriptor.part('digest').wrong('a sha256 or sha512 digest');
  const mediaType = descriptor.text('mediaType');
  const urls = descriptor.textsOr('urls');
  for (const url of urls) {
    const isWeb = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    if (!isWeb) throw descriptor.part('urls').wrong('a list of http or https addresses');
  }
  return {
    mediaType: foreignTypes[mediaType] ?? mediaType,
    digest,
    sizeBytes: descriptor.size('size'),
    ...(urls.length > 0 && { urls }),
  };
}

function readEntry(part: JsonPart): IndexEntry {
  const entry = part.asObject();
  if (!entry.has('platform')) return { ...readDescriptor(part), platform: undefined };
  const platform = readPlatform(entry.part('platform').asObject());
  return { ...readDescriptor(part), platform };
}

export const readPlatform = (part: JsonObject): Platform => ({
  os: part.textOr('os', ''),
  architecture: part.textOr('architecture', ''),
  variant: part.textOr('variant', ''),
});
