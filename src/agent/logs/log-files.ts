import { logStamp } from '../../base/log-stamp.js';

/**
 * Names of the files that one run of a container logs to. `3.log` is being written. When it has grown too large it is
 * renamed to `3.log.20260131-235959.123` (UTC, milliseconds), and once the next one follows, packed to
 * `3.log.20260131-235959.123.gz`, which is made as `....gz.tmp`. A kubelet leaves out the milliseconds; its files are read as well.
 *
 * The stamps are the order: a later file has a greater one, whatever the clock said in between (`nextRotatedName`).
 */

/** One file of a run that is no longer the one at the log's path. */
export interface RotatedLog {
  /** Name in the folder, e.g. `0.log.20260131-235959.123.gz`. */
  name: string;
  /** When it was rotated, `20260131-235959.123`: compares as text. */
  stamp: string;
  /** Packed with gzip(1). */
  packed: boolean;
}

const stampForm = /^(\d{8}-\d{6})(?:\.(\d{3}))?(\.gz)?$/;

/**
 * The rotated files of the log `current` (a name such as `0.log`) among the names of its folder, oldest first. A file that
 * is there both packed and not, because packing was cut short before the plain one was removed, is listed once, as the plain one.
 */
export function rotatedLogs(current: string, names: readonly string[]): RotatedLog[] {
  const byStamp = new Map<string, RotatedLog>();
  for (const name of names) {
    const rotated = parseRotatedLog(current, name);
    if (rotated === undefined) continue;
    if (!rotated.packed || !byStamp.has(rotated.stamp)) byStamp.set(rotated.stamp, rotated);
  }
  return [...byStamp.values()].sort((a, b) => (a.stamp < b.stamp ? -1 : 1));
}

/** What `name` is to the log `current`; undefined for the log itself, for files that are being packed and for strangers. */
export function parseRotatedLog(current: string, name: string): RotatedLog | undefined {
  if (!name.startsWith(`${current}.`)) return undefined;
  const [, seconds, millis = '000', packed] = stampForm.exec(name.slice(current.length + 1)) ?? [];
  if (seconds === undefined) return undefined;
  return { name, stamp: `${seconds}.${millis}`, packed: packed !== undefined };
}

/**
 * The name to give to the log `current` when it is rotated at `nowMs` (since the epoch): later than all that are there in
 * `names`, packed or half packed ones too, even where the clock has been set back.
 */
export function nextRotatedName(current: string, names: readonly string[], nowMs: number): string {
  const halfPacked = names.map((name) => name.replace(/\.tmp$/, ''));
  const newest = rotatedLogs(current, halfPacked).at(-1);
  const earliestMs = newest === undefined ? 0 : stampMs(newest.stamp) + 1;
  return `${current}.${logStamp(Math.max(Math.floor(nowMs), earliestMs))}`;
}

/** The name under which a rotated file is packed. */
export const packedName = (name: string): string => `${name}.gz`;

/** The name under which a packed file is made, before it is whole and renamed to `packedName`. */
export const halfPackedName = (name: string): string => `${packedName(name)}.tmp`;

/** The inverse of `logStamp`. What is no date (a name made by hand) counts as the time that its figures add up to. */
function stampMs(stamp: string): number {
  const part = (from: number, to: number): number => Number(stamp.slice(from, to));
  return Date.UTC(
    part(0, 4),
    part(4, 6) - 1,
    part(6, 8),
    part(9, 11),
    part(11, 13),
    part(13, 15),
    part(16, 19),
  );
}
