import path from 'node:path';
import { asNodeletError } from '../base/errors.js';
import type { Host } from '../ports/host.js';
import type { IdMapping } from '../ports/mounts.js';

interface MappedRootsParts {
  /** Folder of their own, which every user can pass: the OCI runtime enters a root as the user that its root is mapped to. */
  dir: string;
  /** The folder that all layers lie in. */
  layersDir: string;
  host: Pick<Host, 'files' | 'mounts'>;
}

export interface MappedRoot {
  id: string;
  mapping: IdMapping;
  /** Folders of the layers, topmost first. */
  lowers: readonly string[];
  /** Folders that a writable root keeps its changes in; undefined: it is only read, and of one layer. */
  writable: { upper: string; work: string } | undefined;
}

const probeId = 'probe';
const probeMapping: IdMapping = {
  uids: { containerId: 0, hostId: 65536, length: 65536 },
  gids: { containerId: 0, hostId: 65536, length: 65536 },
};

/**
 * Roots of containers with a user namespace, in which files of the image belong to the container's ids, while the layers
 * stay as they are for everybody. For a moment all layers are bound together with their ids mapped; the overlay takes its
 * lowers from there and keeps them when that bind goes. What the container writes is on the disk with its host ids.
 */
export class MappedRoots {
  private probe: Promise<string | undefined> | undefined;

  constructor(private readonly parts: MappedRootsParts) {}

  start(): Promise<void> {
    return this.parts.host.files.makeDir(this.parts.dir, 0o711);
  }

  private place(id: string): string {
    return path.join(this.parts.dir, id);
  }

  rootfs(id: string): string {
    return `${this.place(id)}/rootfs`;
  }

  async mount({ id, mapping, lowers, writable }: MappedRoot): Promise<void> {
    const { layersDir, host } = this.parts;
    const { files, mounts } = host;
    const [place, rootfs, layers] = [this.place(id), this.rootfs(id), `${this.place(id)}/layers`];
    // Other users of the host must not get at set-user-id programs in there.
    await files.makeDir(place, 0o710);
    await files.setOwner(place, { uid: 0, gid: mapping.gids.hostId });
    await files.makeDir(rootfs);
    const mapped = { idMapping: mapping, readOnly: true };
    if (writable === undefined) return mounts.bind(lowers[0] ?? '', rootfs, mapped);
    await files.makeDir(layers);
    await mounts.bind(layersDir, layers, mapped);
    const root = { uid: mapping.uids.hostId, gid: mapping.gids.hostId };
    await files.setOwner(writable.upper, root);
    const inMapped = (lower: string) => path.join(layers, path.relative(layersDir, lower));
    await mounts.overlay({ target: rootfs, lowers: lowers.map(inMapped), ...writable });
    await mounts.unmount(layers);
  }

  async remove(id: string): Promise<void> {
    const { files, mounts } = this.parts.host;
    await mounts.unmount(this.rootfs(id));
    await mounts.unmount(`${this.place(id)}/layers`);
    await files.removeTree(this.place(id));
  }

  list(): Promise<string[]> {
    return this.parts.host.files.list(this.parts.dir);
  }

  /** Why no such root can be made on this machine, undefined where it can: found out by making one, below `scratch`. */
  trouble(scratch: string): Promise<string | undefined> {
    this.probe ??= this.tryOne(scratch).then((trouble) => {
      // What has failed may go well another time: say, when other user namespaces have gone.
      if (trouble !== undefined) this.probe = undefined;
      return trouble;
    });
    return this.probe;
  }

  private async tryOne(scratch: string): Promise<string | undefined> {
    const { files } = this.parts.host;
    const writable = { upper: `${scratch}/${probeId}/upper`, work: `${scratch}/${probeId}/work` };
    const clear = async () => {
      await this.remove(probeId);
      await files.removeTree(`${scratch}/${probeId}`);
    };
    try {
      // A try that failed may have left something.
      await clear();
      for (const dir of Object.values(writable)) await files.makeDir(dir);
      await this.mount({ id: probeId, mapping: probeMapping, lowers: [this.parts.layersDir], writable });
      await clear();
      return undefined;
    } catch (thrown) {
      return asNodeletError(thrown).describe();
    }
  }
}
