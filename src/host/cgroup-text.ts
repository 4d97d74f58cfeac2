import type { DiskReading, Pressure, PressureShare } from '../ports/cgroup-meter.js';

/** A file of one number; undefined where there is none, or the number is `max`. */
export function numberIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? undefined : value;
}

/** Flat keyed files (cgroup-v2, "Interface Files"): `KEY VALUE` lines, as memory.stat and cpu.stat have them. */
export function keyedNumbers(text: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of (text ?? '').split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) found.set(line.slice(0, space), Number.parseInt(line.slice(space + 1), 10));
  }
  return found;
}

/** cgroup.procs: one pid a line. */
export function pidsIn(text: string | undefined): number[] {
  return (text ?? '').split('\n').filter(Boolean).map(Number);
}

/** A pressure file; undefined where there is none. The kernel counts microseconds and leaves out `full` where it means nothing. */
export function pressureIn(text: string | undefined): Pressure | undefined {
  const [some, full] = [pressureLine(text ?? '', 'some'), pressureLine(text ?? '', 'full')];
  return some === undefined
    ? undefined
    : { some, full: full ?? { totalNs: 0, avg10: 0, avg60: 0, avg300: 0 } };
}

function pressureLine(text: string, kind: 'some' | 'full'): PressureShare | undefined {
  const line = new RegExp(
    `^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)$`,
    'm',
  ).exec(text);
  if (line === null) return undefined;
  const [avg10, avg60, avg300, totalUs] = line.slice(1).map(Number) as [number, number, number, number];
  return { totalNs: totalUs * 1000, avg10, avg60, avg300 };
}

/** io.stat of v2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
export function disksInIoStat(text: string | undefined): DiskReading[] {
  return (text ?? '').split('\n').flatMap((line) => {
    const device = /^(\d+):(\d+) /.exec(line);
    if (device === null) return [];
    const value = (key: string) => Number(new RegExp(` ${key}=(\\d+)`).exec(line)?.[1] ?? 0);
    return [
      {
        major: Number(device[1]),
        minor: Number(device[2]),
        reads: value('rios'),
        readBytes: value('rbytes'),
        writes: value('wios'),
        writtenBytes: value('wbytes'),
      },
    ];
  });
}

/** blkio.throttle.io_serviced and io_service_bytes of v1: `8:0 Read 12` lines, and totals that are left out. */
export function disksInBlkio(files: {
  operations: string | undefined;
  bytes: string | undefined;
}): DiskReading[] {
  const disks = new Map<string, DiskReading>();
  const note = (text: string | undefined, read: 'reads' | 'readBytes', write: 'writes' | 'writtenBytes') => {
    for (const [, device = '', operation, value] of (text ?? '').matchAll(
      /^(\d+:\d+) (Read|Write) (\d+)$/gm,
    )) {
      const [major = 0, minor = 0] = device.split(':').map(Number);
      const disk = disks.get(device) ?? { major, minor, reads: 0, readBytes: 0, writes: 0, writtenBytes: 0 };
      disk[operation === 'Read' ? read : write] = Number(value);
      disks.set(device, disk);
    }
  };
  note(files.operations, 'reads', 'writes');
  note(files.bytes, 'readBytes', 'writtenBytes');
  return [...disks.values()];
}
