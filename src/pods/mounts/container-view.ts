import { posix } from 'node:path';
import { isBelow } from '../../base/path-below.js';
import type { FileStat, Files } from '../../ports/files.js';

/** What covers a place of a container: a host path, or undefined for what the kernel mounts there (proc, sysfs). */
export interface CoveredPlace {
  destination: string;
  source: string | undefined;
}

/** Where a path of a container leads. */
export interface Located {
  /** The path with its symlinks followed, as far as anything is there. */
  path: string;
  /** Undefined where nothing is there yet, or where the kernel shows it. */
  stat: FileStat | undefined;
  /** Something on the way that is no folder, so that nothing can be made below it. */
  blockedBy?: string;
  /** A symlink on the way whose target is absolute or lies above the root: outside of it, it would lead elsewhere. */
  escapesAt?: string;
}

/** As many as the kernel follows; path_resolution(7). */
const symlinksMax = 40;

/**
 * The files of a container as its processes will see them, before it has a mount namespace: its root and what is to be mounted in
 * it, symlinks followed inside of that. It serves clear errors; what really keeps a mount inside is the OCI runtime.
 */
export class ContainerView {
  private readonly covered: CoveredPlace[];

  /** Of two places of which one lies in the other, the deeper one counts. */
  constructor(
    private readonly files: Pick<Files, 'stat' | 'readLink'>,
    private readonly rootfs: string,
    covered: readonly CoveredPlace[],
  ) {
    this.covered = [...covered].sort((a, b) => b.destination.length - a.destination.length);
  }

  /** Follows `path`; what is mounted at its very end doesn't count, only what that will cover. */
  async locate(path: string): Promise<Located> {
    const waiting = path.split('/').filter((part) => part !== '' && part !== '.');
    let at: string[] = [];
    let followed = 0;
    let link = path;
    let escape: { escapesAt?: string } = {};
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
      if (part === '..') {
        if (at.pop() === undefined) escape = { escapesAt: link };
        continue;
      }
      const here = `/${[...at, part].join('/')}`;
      const rest = posix.normalize([here, ...waiting].join('/'));
      const host = this.hostPath(here, path);
      const stat = host === undefined ? undefined : await this.files.stat(host);
      if (host === undefined || stat === undefined) return { path: rest, stat: undefined, ...escape };
      const target = stat.kind === 'symlink' ? await this.files.readLink(host) : undefined;
      if (target !== undefined) {
        followed += 1;
        link = here;
        if (followed > symlinksMax) return { path: rest, stat: undefined, blockedBy: here };
        if (target.startsWith('/')) {
          at = [];
          escape = { escapesAt: here };
        }
        waiting.unshift(...target.split('/').filter((name) => name !== '' && name !== '.'));
        continue;
      }
      at.push(part);
      if (waiting.length === 0) return { path: here, stat, ...escape };
      if (stat.kind !== 'dir') return { path: rest, stat, blockedBy: here };
    }
    return { path: `/${at.join('/')}`, stat: await this.files.stat(this.rootfs), ...escape };
  }

  /** Undefined where the kernel's own files are; a mount at `except` is looked under. */
  private hostPath(path: string, except: string): string | undefined {
    const isOn = ({ destination }: CoveredPlace) =>
      destination !== except && (path === destination || isBelow(path, destination));
    const cover = this.covered.find(isOn);
    if (cover === undefined) return `${this.rootfs}${path}`;
    return cover.source === undefined ? undefined : `${cover.source}${path.slice(cover.destination.length)}`;
  }
}
