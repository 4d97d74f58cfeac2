import type { Files } from '../../ports/files.js';

/** Device numbers. */
export interface BlockDevice {
  major: number;
  minor: number;
}

/**
 * The disks whose paths fit a pattern, in which `*` and `?` stand for characters of one name; each disk once, however many
 * symlinks lead to it. Partitions are left out: the kernel limits whole disks alone.
 */
export async function matchingBlockDevices(
  files: Pick<Files, 'list' | 'stat' | 'realPath'>,
  pattern: string,
): Promise<BlockDevice[]> {
  let paths = [''];
  for (const part of pattern.split('/').slice(1)) {
    const next = /[*?]/.test(part)
      ? paths.map(async (dir) => (await namesIn(files, dir, part)).map((name) => `${dir}/${name}`))
      : paths.map(async (dir) => [`${dir}/${part}`]);
    paths = (await Promise.all(next)).flat();
  }
  const found = new Map<string, BlockDevice>();
  for (const path of paths) {
    const source = await files.realPath(path);
    const device = source === undefined ? undefined : (await files.stat(source))?.device;
    if (device?.type !== 'b') continue;
    const { major, minor } = device;
    const isPartition = (await files.stat(`/sys/dev/block/${major}:${minor}/partition`)) !== undefined;
    if (!isPartition) found.set(`${major}:${minor}`, { major, minor });
  }
  return [...found.values()];
}

async function namesIn(files: Pick<Files, 'list'>, dir: string, pattern: string): Promise<string[]> {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const form = new RegExp(`^${escaped}$`);
  return (await files.list(dir)).filter((name) => form.test(name));
}
