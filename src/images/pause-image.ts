import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import type { ImageRecord } from './image-catalog.js';
import type { LayerStore } from './layer-store.js';

export const embeddedPauseReference = 'nodelet.local/pause:embedded';
/** Static, reaps zombies and waits for ever with `-P`; Debian and Fedora ship it. */
const pauseBinary = '/usr/bin/catatonit';
const blockBytes = 4096;
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
  const chainId = `sha256:${createHash('sha256').update(binary).digest('hex')}`;
  await layers.add(chainId, async (dir) => {
    for (const name of mountPoints) await fs.promises.mkdir(`${dir}/${name}`);
    await fs.promises.writeFile(`${dir}/pause`, binary, { mode: 0o755 });
    const folders = 1 + mountPoints.length;
    const blocks = Math.ceil(binary.length / blockBytes) + folders;
    return { diskBytes: blocks * blockBytes, inodes: folders + 1 };
  });
  return {
    version: 1,
    id: `sha256:${createHash('sha256').update(`pause ${chainId}`).digest('hex')}` as ImageId,
    repoTags: [embeddedPauseReference],
    repoDigests: [],
    layers: [chainId],
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
