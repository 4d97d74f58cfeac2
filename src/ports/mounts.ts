import type { Owner } from './files.js';

export interface OverlayMount {
  target: string;
  /** Lower directories, topmost first (the overlayfs order). */
  lowers: readonly string[];
  upper: string;
  work: string;
}

/** A run of ids: `containerId` and those after it inside a user namespace are `hostId` and those after it on the host. */
export interface IdRange {
  containerId: number;
  hostId: number;
  length: number;
}

/** A user namespace's ids in the host's terms. */
export interface IdMapping {
  uids: IdRange;
  gids: IdRange;
}

export interface MountEntry {
  target: string;
  fsType: string;
  source: string;
  /** Whether mounts below it travel to its peers, only arrive from a master, or neither; mount_namespaces(7). */
  propagation: 'shared' | 'slave' | 'private';
}

export interface BindOptions {
  recursive?: boolean;
  readOnly?: boolean;
  /** Shows what user 0 owns as owned by the host id that 0 is mapped to, and so on; `unsupported` where the machine can't. */
  idMapping?: IdMapping;
}

/** The mount table of nodelet's own mount namespace. Targets are absolute, without symlinks. */
export interface Mounts {
  /** Mounts overlayfs with `volatile` (no sync on unmount: what is in an upper dies with its container). Target must exist. */
  overlay(mount: OverlayMount): Promise<void>;
  /** A tmpfs with a size limit in bytes (0: the kernel's default) at an existing target; its root is the agent's, or the owner's. */
  tmpfs(target: string, options: { sizeBytes: number; mode: number; owner?: Owner }): Promise<void>;
  /** Bind mount of `source` over an existing `target` of the same kind; `recursive` takes the mounts below it along, and `readOnly` them too. */
  bind(source: string, target: string, options?: BindOptions): Promise<void>;
  /** Detaches the topmost mount at `target`, off the event loop; not mounted is success. */
  unmount(target: string): Promise<void>;
  /** All mounts at or under `prefix`. */
  list(prefix: string): Promise<MountEntry[]>;
}
