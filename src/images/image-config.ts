import type { ImageRunConfig } from './images.js';
import { JsonPart, parseJson } from './json-part.js';
import { readPlatform } from './manifest.js';
import type { Platform } from './platform.js';

export interface ImageConfig {
  /** Digests of the uncompressed layers, bottom first. */
  diffIds: string[];
  platform: Platform;
  /** When it was built, RFC 3339; empty where the image doesn't say. */
  created: string;
  run: ImageRunConfig;
}

const diffIdForm = /^sha256:[0-9a-f]{64}$/;

/** Reads an image config, image-spec config.md; a missing or null part is empty, a part of another type is an error. */
export function readImageConfig(bytes: Buffer): ImageConfig {
  const top = new JsonPart('config', parseJson(bytes, 'config')).asObject();
  const rootfs = top.part('rootfs').asObject();
  if (rootfs.textOr('type', 'layers') !== 'layers') throw rootfs.part('type').wrong('layers');
  const diffIds = rootfs.list('diff_ids');
  const config = top.objectOr('config');
  return {
    diffIds: diffIds.map((part) => {
      const diffId = part.asText();
      if (!diffIdForm.test(diffId)) throw part.wrong('a sha256 digest');
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
