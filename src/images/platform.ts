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
const ours = goNames[os.arch()] ?? os.arch();
/** Whose programs such a machine runs as well. */
const alsoRun: Partial<Record<string, string[]>> = { amd64: ['386'], arm64: ['arm'] };
const runnable = [ours, ...(alsoRun[ours] ?? [])];
/** What every CPU of the architecture has. */
const baselines: Partial<Record<string, string>> = { amd64: 'v1', arm64: 'v8', arm: 'v7' };

/** The variant of an image that suits this machine best: its own architecture first, the CPU that asks for least before others. */
export function choosePlatform<Entry extends { platform: Platform | undefined }>(
  entries: readonly Entry[],
): Entry {
  const suited = entries.flatMap((entry) => {
    const rank = entry.platform && rankOf(entry.platform);
    return rank === undefined ? [] : [{ entry, rank }];
  });
  const [best] = suited.sort((a, b) => a.rank - b.rank);
  if (best !== undefined) return best.entry;
  const there = entries.flatMap(({ platform }) => (platform === undefined ? [] : [textOf(platform)]));
  throw unfit(there.join(', ') || 'nothing named');
}

/** Refuses an image that says itself that it is for other machines; one that says nothing is taken at its word. */
export function checkPlatform(platform: Platform): void {
  const { os: system, architecture } = platform;
  if ((system === '' || system === 'linux') && (architecture === '' || runnable.includes(architecture)))
    return;
  throw unfit(textOf(platform));
}

/** Lower is better; undefined can't run here. */
function rankOf({ os: system, architecture, variant }: Platform): number | undefined {
  const place = runnable.indexOf(architecture);
  if (system !== 'linux' || place < 0) return undefined;
  return 2 * place + (variant === '' || variant === baselines[architecture] ? 0 : 1);
}

const textOf = ({ os: system, architecture, variant }: Platform): string =>
  [system, architecture, variant].filter((part) => part !== '').join('/');

const unfit = (there: string): NodeletError =>
  new NodeletError('not-found', `the image has no variant for linux/${ours}, only for ${there}`, {
    field: 'image.image',
    remedy: 'use an image that was built for this machine',
  });
