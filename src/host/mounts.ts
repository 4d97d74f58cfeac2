import fs from 'node:fs';
import { NodeletError } from '../base/errors.js';
import { isBelow } from '../base/path-below.js';
import type { MountEntry, Mounts, OverlayMount } from '../ports/mounts.js';
import { bindIdMapped } from './id-mapped-mount.js';
import { bind, errnoName, lastErrno } from './libc.js';
import { makeReadOnly } from './read-only-mount.js';

type MountArguments = [
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
];
export const mount = bind<(...args: MountArguments) => number>(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const umount2 = bind<(target: string, flags: number) => number>('int umount2(const char *target, int flags)');

const flag = { noSuid: 2, noDev: 4, noExec: 8, bind: 4096, rec: 16384 };
const detach = 2;

function mustMount(what: string, args: MountArguments): void {
  if (mount(...args) === 0) return;
  throw new NodeletError('tool-failed', `mounting ${what} failed: ${errnoName(lastErrno())}`, {
    remedy: 'see the kernel log (dmesg) for the reason',
  });
}

/** The kernel takes one page of mount options, and cuts off what is more. */
const optionsMaxBytes = 4095;

/** In overlayfs' options a comma ends the option and a colon the folder. */
const escaped = (folder: string): string => folder.replace(/[\\:,]/g, '\\$&');

function overlayOptions({ lowers, upper, work }: OverlayMount): string {
  return `lowerdir=${lowers.join(':')},upperdir=${escaped(upper)},workdir=${escaped(work)},volatile`;
}

/**
 * Overlayfs of a few dozen layers fits into the page by their paths; of some two hundred, more than any builder makes, by
 * descriptors in place of paths.
 */
function mountOverlay(overlay: OverlayMount): void {
  const { target, lowers } = overlay;
  const byPath = overlayOptions({ ...overlay, lowers: lowers.map(escaped) });
  const mountWith = (options: string) =>
    mustMount(`overlay at ${target}`, ['overlay', target, 'overlay', 0, options]);
  if (Buffer.byteLength(byPath) <= optionsMaxBytes) return mountWith(byPath);
  const fds: number[] = [];
  try {
    for (const lower of lowers)
      fds.push(fs.openSync(lower, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY));
    const byDescriptor = overlayOptions({ ...overlay, lowers: fds.map((fd) => `/proc/self/fd/${fd}`) });
    if (Buffer.byteLength(byDescriptor) <= optionsMaxBytes) return mountWith(byDescriptor);
    throw new NodeletError('unsupported', `the kernel takes no overlay of ${lowers.length} layers`, {
      remedy: 'build the image with fewer layers',
    });
  } finally {
    fds.forEach((fd) => fs.closeSync(fd));
  }
}

/** Mounts one v1 cgroup controller at an existing folder. */
export function mountCgroupV1(controller: string, target: string): void {
  mustMount(`cgroup controller ${controller}`, ['cgroup', target, 'cgroup', 0, controller]);
}

/** Mounts by system calls. Mounting takes a fraction of a millisecond; unmounting syncs and so runs off the event loop. */
export function createMounts(): Mounts {
  return {
    overlay: async (overlay) => mountOverlay(overlay),
    tmpfs: async (target, { sizeBytes, mode, owner }) => {
      const data = [
        `mode=${mode.toString(8)}`,
        ...(sizeBytes === 0 ? [] : [`size=${sizeBytes}`]),
        ...(owner === undefined ? [] : [`uid=${owner.uid}`, `gid=${owner.gid}`]),
      ].join(',');
      mustMount(`tmpfs at ${target}`, [
        'tmpfs',
        target,
        'tmpfs',
        flag.noSuid | flag.noDev | flag.noExec,
        data,
      ]);
    },
    bind: async (source, target, { recursive = false, readOnly = false, idMapping } = {}) => {
      if (idMapping !== undefined) {
        bindIdMapped({ source, target, mapping: idMapping, recursive, readOnly });
        return;
      }
      mustMount(`${source} at ${target}`, [
        source,
        target,
        null,
        flag.bind | (recursive ? flag.rec : 0),
        null,
      ]);
      if (!readOnly) return;
      try {
        makeReadOnly(target, { recursive });
      } catch (thrown) {
        umount2(target, detach);
        throw thrown;
      }
    },
    unmount: async (target) => {
      if ((await umount2.inWorker(target, 0)) === 0) return;
      // Busy: somebody still has a file open there; detached, it goes with its last user.
      if (umount2(target, detach) === 0) return;
      const reason = errnoName(lastErrno());
      // No mount, or no such place.
      if (reason === 'EINVAL' || reason === 'ENOENT') return;
      throw new NodeletError('tool-failed', `unmounting ${target} failed: ${reason}`);
    },
    list: mountEntries,
  };
}

async function mountEntries(prefix: string): Promise<MountEntry[]> {
  const inside = (target: string) => target === prefix || isBelow(target, prefix);
  return parseMountInfo(await fs.promises.readFile('/proc/self/mountinfo', 'utf8')).filter(({ target }) =>
    inside(target),
  );
}

/** /proc/PID/mountinfo, proc(5): fields before ` - ` vary in number, those after are type, source, options. */
export function parseMountInfo(text: string): MountEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [fsType = '', source = ''] = after.split(' ');
      const fields = before.split(' ');
      const propagation = propagationOf(fields.slice(optionalFields));
      const target = unescapeOctal(fields[4] ?? '');
      return { target, fsType, source: unescapeOctal(source), propagation };
    });
}

/** Where a line's optional fields begin: behind id, parent, device, root, target and options. */
const optionalFields = 6;

function propagationOf(optional: readonly string[]): MountEntry['propagation'] {
  if (optional.some((field) => field.startsWith('shared:'))) return 'shared';
  return optional.some((field) => field.startsWith('master:')) ? 'slave' : 'private';
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
