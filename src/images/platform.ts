import os from 'node:os';
import { NodeletError } from '../base/errors.js';

/** What an image is built for, in Go's words as images use them (image-spec image-index.md); empty where it doesn't say. */
export interface Platform {
  os: string;
  architecture: string;
  /** Of the CPU: `v8` for arm64, `v3` for a newer amd64. */
  variant: string;
}

/** Go's names where Node has others. */
const goNames: Partial<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
/** Names that images have for the same. */
const aliases: Partial<Record<string, [architecture: string, variant: string]>> = {
  x86_64: ['amd64', ''],
  'x86-64': ['amd64', ''],
  i386: ['386', ''],
  i686: ['386', ''],
  aarch64: ['arm64', ''],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
};
/** What every CPU of an architecture has: an image that names no variant is for it. */
const baselines: Partial<Record<string, string>> = { amd64: 'v1', arm64: 'v8', arm: 'v7' };

/** Flags of /proc/cpuinfo that each level of amd64 adds (x86-64 psABI, table 3.1). */
const amd64Levels = [
  'cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3',
  'avx avx2 bmi1 bmi2 f16c fma abm movbe xsave',
  'avx512f avx512bw avx512cd avx512dq avx512vl',
].map((flags) => flags.split(' '));

/** This machine, by the text of its /proc/cpuinfo (empty: the least that its architecture has). */
export function machinePlatform(cpuInfo: string, arch: string = os.arch()): Platform {
  const architecture = goNames[arch] ?? arch;
  return { os: 'linux', architecture, variant: variantOf(architecture, cpuInfo) };
}

function variantOf(architecture: string, cpuInfo: string): string {
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpuInfo)?.[1]?.trim().split(/\s+/));
  if (architecture === 'amd64') {
    const lacking = amd64Levels.findIndex((wanted) => !wanted.every((flag) => flags.has(flag)));
    return `v${1 + (lacking < 0 ? amd64Levels.length : lacking)}`;
  }
  if (architecture === 'arm64') return flags.has('sve2') ? 'v9' : 'v8';
  if (architecture === 'arm') return `v${/^CPU architecture\s*:\s*(\d+)/m.exec(cpuInfo)?.[1] ?? 7}`;
  return '';
}

/**
 * The entry of an index that suits a machine best: its own architecture first, and of its variants the highest that the CPU
 * has. An entry that names no platform is taken when no other suits: its config says what it is for.
 */
export function choosePlatform<Entry extends { platform: Platform | undefined }>(
  entries: readonly Entry[],
  machine: Platform,
): Entry {
  const suited = entries.flatMap((entry) => {
    const rank = entry.platform && rankOn(machine, entry.platform);
    return rank === undefined ? [] : [{ entry, rank }];
  });
  const [best] = suited.sort((a, b) => a.rank - b.rank);
  const chosen = best?.entry ?? entries.find(({ platform }) => platform === undefined);
  if (chosen !== undefined) return chosen;
  const there = entries.flatMap(({ platform }) => (platform === undefined ? [] : [textOf(platform)]));
  throw unfit(there.join(', ') || 'nothing at all', machine);
}

/** Refuses an image that says itself that it is for other machines; one that says nothing is taken at its word. */
export function checkPlatform(platform: Platform, machine: Platform): void {
  const filled = {
    os: platform.os || machine.os,
    architecture: platform.architecture || machine.architecture,
    variant: platform.variant,
  };
  if (rankOn(machine, filled) === undefined) throw unfit(textOf(platform), machine);
}

/** Lower is better; undefined can't run there. */
function rankOn(
  machine: Platform,
  { os: system, architecture: name, variant: given }: Platform,
): number | undefined {
  const [architecture, implied] = aliases[name.toLowerCase()] ?? [name, ''];
  const place = runnableOn(machine).findIndex((one) => one.architecture === architecture);
  const [host] = runnableOn(machine).slice(place);
  if (system !== machine.os || place < 0 || host === undefined) return undefined;
  const wanted = levelOf(given || implied || baselines[architecture] || '');
  const has = levelOf(host.variant);
  // Variants that no rule is known for: those of other architectures.
  if (wanted === undefined || has === undefined) return placeRank * place + (given === '' ? 0 : 1);
  return wanted > has ? undefined : placeRank * place + (has - wanted);
}

/** Larger than any difference of two levels. */
const placeRank = 1000;

/** Whose programs a machine runs, its own first. */
function runnableOn(machine: Platform): Platform[] {
  if (machine.architecture === 'amd64') return [machine, { ...machine, architecture: '386', variant: '' }];
  if (machine.architecture === 'arm64') return [machine, { ...machine, architecture: 'arm', variant: 'v8' }];
  return [machine];
}

function levelOf(variant: string): number | undefined {
  const level = /^v?(\d+(?:\.\d+)?)$/.exec(variant)?.[1];
  return level === undefined ? undefined : Number(level);
}

export const textOf = ({ os: system, architecture, variant }: Platform): string =>
  [system, architecture, variant].filter((part) => part !== '').join('/');

const unfit = (there: string, { os: system, architecture }: Platform): NodeletError =>
  new NodeletError('not-found', `the image has no variant for ${system}/${architecture}, only for ${there}`, {
    field: 'image.image',
    remedy: 'use an image that was built for this machine',
  });
