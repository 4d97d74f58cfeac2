import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import type { ImageRecord } from './image-catalog.js';
import type { LayerStore } from './layers/layer-store.js';
import { plainTar } from './layers/plain-tar.js';

export const embeddedPauseReference = 'nodelet.local/pause:embedded';
/** Static, reaps zombies and waits for ever with `-P`; Debian and Fedora ship it. */
const pauseBinary = '/usr/bin/catatonit';
/** Where the OCI runtime mounts: a root that is only read must have them. */
const mountPoints = ['proc', 'dev'];

/** Puts the machine's static pause binary into a one-file layer and describes it as an image, one for each version of the binary. */
export async function embedPauseImage(layers: LayerStore): Promise<ImageRecord> {
  const binary = await fs.promises.readFile(pauseBinary).catch((thrown: unknown) => {
    throw new NodeletError('tool-failed', `${pauseBinary} is missing`, {
      remedy: 'install the package catatonit, or configure pauseImage',
      cause: thrown,
    });
  });
  const tar = plainTar([
    ...mountPoints.map((name) => ({ name: `${name}/`, type: 'dir', mode: 0o755 }) as const),
    { name: 'pause', type: 'file', mode: 0o755, content: binary },
  ]);
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const descriptor = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: diffId,
    sizeBytes: tar.length,
  };
  await layers.ensure({ diffId, descriptor }, new AbortController().signal, async function* () {
    yield tar;
  });
  return {
    version: 1,
    id: `sha256:${createHash('sha256').update(`pause ${diffId}`).digest('hex')}` as ImageId,
    repoTags: [embeddedPauseReference],
    repoDigests: [],
    layers: [diffId],
    diffIds: [diffId],
    run: {
      user: '',
      env: [],
      entrypoint: ['/pause', '-P'],
      cmd: [],
      workingDir: '/',
      stopSignal: '',
      volumes: [],
      labels: {},
    },
  };
}
