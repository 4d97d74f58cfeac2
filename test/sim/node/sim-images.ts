import { NodeletError } from '../../../src/base/errors.js';
import type { ImageId } from '../../../src/base/ids.js';
import type { ImageInfo, Images } from '../../../src/images/images.js';
import type { SnapshotRecord } from '../../../src/images/snapshot-store.js';
import { createSnapshots } from '../../../src/images/snapshot-store.js';
import type { OwnImageVerbs } from '../../../src/ports/cri/runtime.js';
import type { Host } from '../../../src/ports/host.js';
import type { FileTree } from '../machine/file-tree.js';
import { simConfig } from './sim-config.js';

const layersDir = `${simConfig.rootDir}/layers`;
/** Each image's layers, topmost first; each layer's files. */
const layerFiles: Record<string, string[]> = {
  pause: ['/pause', '/proc/.keep', '/dev/.keep'],
  base: ['/bin/sh', '/bin/sleep', '/bin/true', '/etc/passwd', '/etc/group'],
  app: ['/app/page'],
};
const imageLayers: Record<string, string[]> = { pause: ['pause'], app: ['app', 'base'] };

/** Puts the layers of all images on the machine's disk, as earlier pulls have. */
export function unpackImages(files: FileTree): void {
  for (const [layer, paths] of Object.entries(layerFiles)) {
    for (const path of paths) {
      files.makeDir(`${layersDir}/${layer}${path.slice(0, path.lastIndexOf('/'))}`);
      files.write(
        `${layersDir}/${layer}${path}`,
        path === '/etc/passwd' ? 'root:x:0:0::/root:/bin/sh\n' : '',
      );
    }
  }
}

function image(name: string, entrypoint: string[], volumes: string[] = []): ImageInfo {
  return {
    id: `sha256:${name}` as ImageId,
    repoTags: [`${name}:latest`],
    repoDigests: [],
    sizeBytes: 1,
    pinned: name === 'pause',
    run: {
      user: '',
      env: [],
      entrypoint,
      cmd: [],
      workingDir: '/',
      stopSignal: '',
      volumes,
      labels: {},
    },
  };
}

/**
 * The images room with two images that were pulled long ago. Pulling is left out: blobs and layers are bulk
 * I/O that doesn't go through the ports (ADR 5). The snapshots are the real ones.
 */
export function simImages(host: Pick<Host, 'files' | 'mounts' | 'store'>): Images {
  const pause = image('pause', ['/pause', '-P']);
  const app = image('app', ['/bin/sleep', '1000'], ['/data']);
  const layersOf = (id: ImageId) => imageLayers[id.replace('sha256:', '')] ?? [];
  const refuse = () => Promise.reject(new NodeletError('unsupported', 'the simulation pulls no images'));
  const snapshots = createSnapshots({
    dir: `${simConfig.rootDir}/snapshots`,
    mappedDir: `${simConfig.runDir}/roots`,
    layersDir,
    host,
    records: host.store.table<SnapshotRecord>('snapshots'),
    layersOf,
    hold: () => () => undefined,
    released: async () => undefined,
    layerFolder: (layer) => `${layersDir}/${layer}`,
  });
  return {
    start: () => snapshots.start(),
    stop: async () => undefined,
    lookup: (reference) => [pause, app].find(({ id, repoTags }) => [id, ...repoTags].includes(reference)),
    pauseImage: async () => pause,
    resolve: refuse,
    pulls: { list: () => [], subscribe: () => () => undefined },
    snapshots,
    gc: { prune: async () => [] },
    edits: { tag: refuse, removeName: refuse },
    history: refuse,
    verbs: {
      ListImages: refuse,
      ImageStatus: refuse,
      PullImage: refuse,
      RemoveImage: refuse,
      ImageFsInfo: refuse,
    } satisfies OwnImageVerbs,
  };
}
