import { NodeletError } from '../../../src/base/errors.js';
import type { IdMapping, MountEntry } from '../../../src/ports/mounts.js';
import type { FileNode } from './file-nodes.js';
import { isBelow, partsOf } from './file-nodes.js';

export interface SimMount extends Omit<MountEntry, 'propagation'> {
  /** Roots from the topmost layer down: one, but for an overlay. Writes go to the first. */
  roots: FileNode[];
  /** Owners are seen through it. */
  idMapping?: IdMapping;
}

/** Where a path leads: the file system it is in, and the way down inside that. */
export interface Place {
  mount: SimMount;
  parts: string[];
}

/** The mounts of the machine, the root file system first; a later one covers an earlier one at the same target. */
export class MountTable {
  private readonly mounts: SimMount[];

  constructor(root: FileNode) {
    this.mounts = [{ target: '/', fsType: 'ext4', source: '/dev/vda', roots: [root] }];
  }

  add(mount: SimMount): void {
    this.mounts.push(mount);
  }

  /** Takes the topmost mount at exactly `target` away; false when there is none. Mounts below it must go first. */
  remove(target: string): SimMount | undefined {
    const index = this.mounts.findLastIndex((mount) => mount.target === target);
    if (index <= 0) return undefined;
    if (this.mounts.some((mount) => isBelow(mount.target, target))) {
      throw new NodeletError('tool-failed', `unmounting ${target} failed: EBUSY, a mount lies below it`);
    }
    return this.mounts.splice(index, 1)[0];
  }

  /** Mounts at or under `prefix`, without the root file system. */
  list(prefix: string): SimMount[] {
    return this.mounts.slice(1).filter(({ target }) => target === prefix || isBelow(target, prefix));
  }

  placeOf(path: string): Place {
    let best = this.mounts[0] as SimMount;
    for (const mount of this.mounts) {
      const covers = mount.target === path || mount.target === '/' || isBelow(path, mount.target);
      if (covers && mount.target.length >= best.target.length) best = mount;
    }
    return { mount: best, parts: partsOf(path).slice(partsOf(best.target).length) };
  }
}
