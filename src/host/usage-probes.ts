import fs from 'node:fs';
import { readFile, readdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { FileSystemFacts, OpenFiles, UsageProbes } from '../ports/usage-probes.js';
import { folderUsage } from './folder-usage.js';
import { readKernelFile } from './kernel-file.js';

/** Descriptors looked at in one turn of the event loop: about a quarter of a millisecond. */
const descriptorsPerTurn = 64;

export function createUsageProbes(): UsageProbes {
  return { openFiles, folder: folderUsage, fileSystem, deviceName };
}

async function openFiles(pid: number, maxDescriptors: number): Promise<OpenFiles | undefined> {
  const dir = `/proc/${pid}/fd`;
  const names = await readdir(dir).catch(() => undefined);
  const limits = readKernelFile(`/proc/${pid}/limits`);
  if (names === undefined || limits === undefined) return undefined;
  let sockets = 0;
  for (const [index, name] of names.slice(0, maxDescriptors).entries()) {
    if (index % descriptorsPerTurn === descriptorsPerTurn - 1) await nextTurn();
    if (isSocket(`${dir}/${name}`)) sockets++;
  }
  return { descriptors: names.length, sockets, softLimit: softLimitOfFiles(limits) };
}

/** It may have been closed since it was listed. */
function isSocket(link: string): boolean {
  try {
    return fs.readlinkSync(link).startsWith('socket:');
  } catch {
    return false;
  }
}

/** From /proc/PID/limits, proc_pid_limits(5): `Max open files  SOFT  HARD  files`. */
export function softLimitOfFiles(limits: string): number | undefined {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? undefined : Number(soft);
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function fileSystem(dir: string): Promise<FileSystemFacts> {
  const [{ dev }, { blocks, bavail, bsize, files, ffree }] = await Promise.all([stat(dir), statfs(dir)]);
  const device = { major: majorOf(dev), minor: minorOf(dev) };
  const facts = {
    capacityBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    inodes: files,
    freeInodes: ffree,
  };
  if (device.major !== 0) return { device: deviceName(device), ...facts };
  const source = sourceOfMount(await readFile('/proc/self/mountinfo', 'utf8'), device);
  return { device: source ?? `0:${device.minor}`, ...facts };
}

/** The source of a file system without a block device, as its line in mountinfo has it. */
function sourceOfMount(
  mountInfo: string,
  { major, minor }: { major: number; minor: number },
): string | undefined {
  const line = mountInfo.split('\n').find((mount) => mount.split(' ')[2] === `${major}:${minor}`);
  return line?.split(' - ')[1]?.split(' ')[1];
}

function deviceName({ major, minor }: { major: number; minor: number }): string {
  try {
    return `/dev/${path.basename(fs.readlinkSync(`/sys/dev/block/${major}:${minor}`))}`;
  } catch {
    return `${major}:${minor}`;
  }
}

/** Linux packs a device number into 64 bits: minor in bits 0-7 and 20-43, major in 8-19 and 44-63. */
const majorOf = (dev: number): number => {
  const bits = BigInt(dev);
  return Number(((bits >> 8n) & 0xfffn) | ((bits >> 32n) & ~0xfffn));
};
const minorOf = (dev: number): number => {
  const bits = BigInt(dev);
  return Number((bits & 0xffn) | ((bits >> 12n) & 0xffff_ff00n));
};
