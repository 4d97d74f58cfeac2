import { NodeletError } from '../base/errors.js';
import type { ImageRunConfig } from './images.js';
import type { Platform } from './platform.js';

/** image-spec descriptor.md, the parts that pulling needs. */
export interface Descriptor {
  mediaType: string;
  /** `sha256:<64 hex>`. */
  digest: string;
  sizeBytes: number;
}

export interface ImageManifest {
  config: Descriptor;
  layers: Descriptor[];
}

export interface IndexEntry extends Descriptor {
  platform: Platform | undefined;
}

export interface ImageConfig {
  /** Digests of the uncompressed layers, bottom first. */
  diffIds: string[];
  platform: Platform;
  /** When it was built, RFC 3339; empty where the image doesn't say. */
  created: string;
  run: ImageRunConfig;
}

const configTypes = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
export const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
export const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const digestForm = /^sha256:[0-9a-f]{64}$/;

/** Reads an image manifest or an index (image-spec manifest.md, image-index.md; Docker's schema 2); errors name the part. */
export function readManifest(bytes: Buffer): { manifest: ImageManifest } | { index: IndexEntry[] } {
  const top = new JsonPart('manifest', parseJson(bytes, 'manifest')).asObject();
  const mediaType = top.textOr('mediaType', '');
  if (top.has('fsLayers') || top.has('signatures')) {
    throw new NodeletError('unsupported', 'the image has a manifest of schema version 1', {
      field: 'manifest.schemaVersion',
      remedy: 'push it again with a current tool, which writes version 2',
    });
  }
  if (indexTypes.includes(mediaType) || (mediaType === '' && top.has('manifests'))) {
    return { index: top.list('manifests').map(readEntry) };
  }
  if (mediaType !== '' && !manifestTypes.includes(mediaType)) {
    throw new NodeletError('unsupported', `the manifest is of type ${mediaType}`, {
      field: 'manifest.mediaType',
      remedy: 'name a container image',
    });
  }
  const config = readDescriptor(top.part('config'));
  if (!configTypes.includes(config.mediaType)) {
    throw new NodeletError('unsupported', `this is an artifact of type ${config.mediaType}, no image`, {
      field: 'manifest.config.mediaType',
      remedy: 'name a container image',
    });
  }
  const layers = top.list('layers').map(readDescriptor);
  if (layers.length === 0) {
    throw new NodeletError('unsupported', 'the image has no layers, so nothing in it can run', {
      field: 'manifest.layers',
    });
  }
  return { manifest: { config, layers } };
}

function readDescriptor(part: JsonPart): Descriptor {
  const descriptor = part.asObject();
  const digest = descriptor.text('digest');
  if (!digestForm.test(digest)) throw descriptor.part('digest').wrong('a sha256 digest');
  return { mediaType: descriptor.text('mediaType'), digest, sizeBytes: descriptor.size('size') };
}

function readEntry(part: JsonPart): IndexEntry {
  const entry = part.asObject();
  if (!entry.has('platform')) return { ...readDescriptor(part), platform: undefined };
  const platform = readPlatform(entry.part('platform').asObject());
  return { ...readDescriptor(part), platform };
}

const readPlatform = (part: JsonObject): Platform => ({
  os: part.textOr('os', ''),
  architecture: part.textOr('architecture', ''),
  variant: part.textOr('variant', ''),
});

/** Reads an image config, image-spec config.md; a missing or null part is empty, a part of another type is an error. */
export function readImageConfig(bytes: Buffer): ImageConfig {
  const top = new JsonPart('config', parseJson(bytes, 'config')).asObject();
  const diffIds = top.part('rootfs').asObject().list('diff_ids');
  const config = top.objectOr('config');
  return {
    diffIds: diffIds.map((part) => {
      const diffId = part.asText();
      if (!digestForm.test(diffId)) throw part.wrong('a sha256 digest');
      return diffId;
    }),
    platform: readPlatform(top),
    created: top.textOr('created', ''),
    run: {
      user: config.textOr('User', ''),
      env: config.textsOr('Env'),
      entrypoint: config.textsOr('Entrypoint'),
      cmd: config.textsOr('Cmd'),
      workingDir: config.textOr('WorkingDir', ''),
      stopSignal: config.textOr('StopSignal', ''),
      volumes: config.objectOr('Volumes').keys(),
      labels: config.objectOr('Labels').texts(),
    },
  };
}

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new NodeletError('corrupt', `the image's ${what} is not JSON: ${(cause as Error).message}`, {
      field: what,
      remedy: 'push the image again; the registry has it damaged',
      cause,
    });
  }
}

/** A value somewhere in a registry's JSON; `path` names it in errors. */
class JsonPart {
  constructor(
    private readonly path: string,
    private readonly value: unknown,
  ) {}

  wrong(wanted: string): NodeletError {
    return new NodeletError('corrupt', `the image's ${this.path} must be ${wanted}`, {
      field: this.path,
      remedy: 'push the image again with another tool; nothing of it was kept',
    });
  }

  asObject(): JsonObject {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.wrong('an object');
    return new JsonObject(this.path, value as Record<string, unknown>);
  }

  asText(): string {
    if (typeof this.value !== 'string') throw this.wrong('a text');
    return this.value;
  }

  asList(): JsonPart[] {
    if (!Array.isArray(this.value)) throw this.wrong('a list');
    return this.value.map((item, index) => new JsonPart(`${this.path}[${index}]`, item));
  }

  asSize(): number {
    if (!Number.isSafeInteger(this.value) || (this.value as number) < 0)
      throw this.wrong('a number of bytes');
    return this.value as number;
  }
}

class JsonObject {
  constructor(
    private readonly path: string,
    private readonly members: Record<string, unknown>,
  ) {}

  /** Whether the member is there and not null, which Go's encoders write for what is empty. */
  has(name: string): boolean {
    return this.members[name] !== undefined && this.members[name] !== null;
  }
  part(name: string): JsonPart {
    return new JsonPart(`${this.path}.${name}`, this.members[name]);
  }
  keys(): string[] {
    return Object.keys(this.members);
  }
  text(name: string): string {
    return this.part(name).asText();
  }
  textOr(name: string, fallback: string): string {
    return this.has(name) ? this.text(name) : fallback;
  }
  size(name: string): number {
    return this.part(name).asSize();
  }
  list(name: string): JsonPart[] {
    return this.part(name).asList();
  }
  textsOr(name: string): string[] {
    return this.has(name) ? this.list(name).map((part) => part.asText()) : [];
  }
  objectOr(name: string): JsonObject {
    return this.has(name) ? this.part(name).asObject() : new JsonObject(`${this.path}.${name}`, {});
  }
  texts(): Record<string, string> {
    return Object.fromEntries(this.keys().map((key) => [key, this.text(key)]));
  }
}
