import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';

export const embeddedPauseReference = 'nodelet.local/pause:embedded';
/** Static, reaps zombies and waits for ever with `-P`; Debian and Fedora ship it. */
const pauseBinary = '/usr/bin/catatonit';

/** Puts the machine's static pause binary into a one-file layer and describes it as an image; at most one copy per version of the binary. */
export async function makePauseLayer(folderOf: (chainId: string) => string) {
  const binary = await fs.promises.readFile(pauseBinary).catch((thrown: unknown) => {
    throw new NodeletError('tool-failed', `${pauseBinary} is missing`, {
      remedy: 'install the package catatonit, or configure pauseImage',
      cause: thrown,
    });
  });
  const chainId = `sha256:${createHash('sha256').update(binary).digest('hex')}`;
  const folder = folderOf(chainId);
  if (!fs.existsSync(folder)) {
    const temporary = `${folder}.tmp`;
    await fs.promises.rm(temporary, { recursive: true, force: true });
    for (const dir of ['proc', 'dev']) await fs.promises.mkdir(`${temporary}/${dir}`, { recursive: true });
    await fs.promises.writeFile(`${temporary}/pause`, binary, { mode: 0o755, flush: true });
    await fs.promises.rename(temporary, folder);
  }
  return {
    id: `sha256:${createHash('sha256').update(`pause ${chainId}`).digest('hex')}` as ImageId,
    repoTags: [embeddedPauseReference],
    repoDigests: [],
    sizeBytes: binary.length,
    pinned: true,
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
