import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import type { Host } from '../ports/host.js';
import type { RecordTable } from '../ports/record-store.js';
import type { Snapshots } from './images.js';

export interface SnapshotRecord {
  imageId: ImageId;
  /** Chain ids, topmost first. */
  layers: string[];
}

interface SnapshotParts {
  dir: string;
  host: Pick<Host, 'files' | 'mounts'>;
  records: RecordTable<SnapshotRecord>;
  /** Layers of an image, topmost first. */
  layersOf: (image: ImageId) => string[];
  layerFolder: (chainId: string) => string;
  /** Keeps layers in the store until the returned function is called: a record says so only once it is written. */
  hold: (chainIds: readonly string[]) => () => void;
  /** Told once a snapshot no longer claims its image's layers. */
  released: (image: ImageId) => Promise<void>;
}

/** Roots of containers: an overlay of the image's layers and a writable folder of the container's own. */
export function createSnapshots(parts: SnapshotParts): Snapshots {
  const { files, mounts } = parts.host;
  const place = (id: string) => path.join(parts.dir, id);
  /** An image may be removed while its containers live on: a snapshot knows its layers itself. */
  const layersFor = (id: string, image: ImageId): string[] => {
    const known = parts.records.get(id);
    if (known === undefined) return parts.layersOf(image);
    if (known.imageId === image) return known.layers;
    throw new NodeletError('exists', `snapshot ${id} is of another image`);
  };
  const claim = async (id: string, record: SnapshotRecord) => {
    const release = parts.hold(record.layers);
    await parts.records.put(id, record).finally(release);
  };
  const mountAt = async (id: string, image: ImageId) => {
    const layers = layersFor(id, image);
    const isNew = parts.records.get(id) === undefined;
    await claim(id, { imageId: image, layers });
    const [upper, work, rootfs] = ['upper', 'work', 'rootfs'].map((name) => `${place(id)}/${name}`) as [
      string,
      string,
      string,
    ];
    if (!isNew) {
      if ((await mounts.list(rootfs)).length > 0) return { rootfs };
      // A volatile mount that a reboot cut short leaves a mark there that forbids mounting it again.
      await files.removeTree(work);
    }
    for (const dir of [upper, work, rootfs]) await files.makeDir(dir);
    await mounts.overlay({ target: rootfs, lowers: layers.map(parts.layerFolder), upper, work });
    return { rootfs };
  };
  return {
    prepare: mountAt,
    prepareReadOnly: async (id, image) => {
      const [only, ...others] = layersFor(id, image);
      if (only === undefined || others.length > 0) return mountAt(id, image);
      await claim(id, { imageId: image, layers: [only] });
      return { rootfs: parts.layerFolder(only) };
    },
    volumesDir: (id) => `${place(id)}/volumes`,
    writableDir: (id) => `${place(id)}/upper`,
    remove: async (id) => {
      await mounts.unmount(`${place(id)}/rootfs`);
      await files.removeTree(place(id));
      const record = parts.records.get(id);
      await parts.records.remove(id);
      if (record !== undefined) await parts.released(record.imageId);
    },
    list: async () => [
      ...new Set([...(await files.list(parts.dir)), ...parts.records.entries().map(([id]) => id)]),
    ],
  };
}
