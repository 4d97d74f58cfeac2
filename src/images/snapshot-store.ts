import path from 'node:path';
import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import type { Host } from '../ports/host.js';
import type { RecordTable } from '../ports/record-store.js';
import type { IdMapping } from '../ports/mounts.js';
import type { Snapshots } from './images.js';
import { MappedRoots } from './mapped-roots.js';

export interface SnapshotRecord {
  imageId: ImageId;
  /** Keys of the layer store, topmost first. */
  layers: string[];
  /** Of a root in a user namespace. */
  idMapping?: IdMapping;
}

interface SnapshotParts {
  dir: string;
  /** Where roots in user namespaces are mounted. */
  mappedDir: string;
  layersDir: string;
  host: Pick<Host, 'files' | 'mounts'>;
  records: RecordTable<SnapshotRecord>;
  /** Layers of an image, topmost first. */
  layersOf: (image: ImageId) => string[];
  layerFolder: (key: string) => string;
  /** Keeps layers in the store until the returned function is called: a record says so only once it is written. */
  hold: (keys: readonly string[]) => () => void;
  /** Told once a snapshot no longer claims its image's layers. */
  released: (image: ImageId) => Promise<void>;
}

const recordOf = (imageId: ImageId, layers: string[], idMapping: IdMapping | undefined): SnapshotRecord => ({
  imageId,
  layers,
  ...(idMapping === undefined ? {} : { idMapping }),
});

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
  const mapped = new MappedRoots({ dir: parts.mappedDir, layersDir: parts.layersDir, host: parts.host });
  const mountAt = async (id: string, image: ImageId, mapping?: IdMapping) => {
    const layers = layersFor(id, image);
    const isNew = parts.records.get(id) === undefined;
    await claim(id, recordOf(image, layers, mapping));
    const [upper, work] = [`${place(id)}/upper`, `${place(id)}/work`];
    const rootfs = mapping === undefined ? `${place(id)}/rootfs` : mapped.rootfs(id);
    if (!isNew) {
      if ((await mounts.list(rootfs)).length > 0) return { rootfs };
      // A volatile mount that a reboot cut short leaves a mark there that forbids mounting it again.
      await files.removeTree(work);
    }
    for (const dir of [upper, work]) await files.makeDir(dir);
    const lowers = layers.map(parts.layerFolder);
    if (mapping !== undefined) {
      await mapped.mount({ id, mapping, lowers, writable: { upper, work } });
      return { rootfs };
    }
    await files.makeDir(rootfs);
    await mounts.overlay({ target: rootfs, lowers, upper, work });
    return { rootfs };
  };
  return {
    prepare: mountAt,
    prepareReadOnly: async (id, image, mapping) => {
      const [only, ...others] = layersFor(id, image);
      if (only === undefined || others.length > 0) return mountAt(id, image, mapping);
      await claim(id, recordOf(image, [only], mapping));
      const folder = parts.layerFolder(only);
      if (mapping === undefined) return { rootfs: folder };
      if ((await mounts.list(mapped.rootfs(id))).length === 0) {
        await mapped.mount({ id, mapping, lowers: [folder], writable: undefined });
      }
      return { rootfs: mapped.rootfs(id) };
    },
    volumesDir: (id) => `${place(id)}/volumes`,
    writableDir: (id) => `${place(id)}/upper`,
    start: () => mapped.start(),
    mappingTrouble: () => mapped.trouble(parts.dir),
    remove: async (id) => {
      // What has no record may be either.
      const record = parts.records.get(id);
      if (record === undefined || record.idMapping !== undefined) await mapped.remove(id);
      await mounts.unmount(`${place(id)}/rootfs`);
      await files.removeTree(place(id));
      await parts.records.remove(id);
      if (record !== undefined) await parts.released(record.imageId);
    },
    list: async () => [
      ...new Set([
        ...(await files.list(parts.dir)),
        ...(await mapped.list()),
        ...parts.records.entries().map(([id]) => id),
      ]),
    ],
  };
}
