import type { ImageId } from '../../base/ids.js';

/** What a plan needs to know of one image. */
export interface PlannedImage {
  id: ImageId;
  repoTags: readonly string[];
  repoDigests: readonly string[];
  pinned: boolean;
  layers: readonly string[];
  /** Milliseconds since the epoch; where nobody has used it, when it was first seen. */
  lastUsedMs: number;
  /** Who needs it, for people: ids of containers and pods, or names of pods to come. Empty where nobody does. */
  users: readonly string[];
}

/** What is to be had: so many bytes, or all images that may go, or those of them without a tag. */
export type GarbageGoal = { freeBytes: number } | 'unused' | 'untagged';

export interface GarbageQuestion {
  images: readonly PlannedImage[];
  /** Layers that are needed whatever becomes of the images, say by containers of images that have been removed. */
  neededLayers: ReadonlySet<string>;
  /** What removing a layer gives back, bytes. */
  layerBytes: (layer: string) => number;
  nowMs: number;
  /** An image that was used since stays. */
  minimumAgeMs: number;
  goal: GarbageGoal;
}

/** What becomes of one image, and why. */
export interface ImageVerdict {
  id: ImageId;
  /** Its tags, or its digests where it has none. */
  names: string[];
  verdict: 'removed' | 'kept';
  /** A sentence's part: `in use by 1f2e3d4c5b6a`. */
  reason: string;
  /** Bytes of its layers that nobody else needs; 0 for one that is kept. */
  freedBytes: number;
}

/**
 * Judges every image, the least recently used first, as a kubelet's image manager does: layers that are shared are freed by
 * the last image that goes.
 */
export function planGarbage(question: GarbageQuestion): ImageVerdict[] {
  const { images, goal, neededLayers, layerBytes } = question;
  const imagesPerLayer = new Map<string, number>();
  for (const layer of images.flatMap(({ layers }) => [...new Set(layers)]))
    imagesPerLayer.set(layer, (imagesPerLayer.get(layer) ?? 0) + 1);
  let freedBytes = 0;
  const remove = ({ layers }: PlannedImage): number => {
    let bytes = 0;
    for (const layer of new Set(layers)) {
      const others = (imagesPerLayer.get(layer) ?? 1) - 1;
      imagesPerLayer.set(layer, others);
      if (others === 0 && !neededLayers.has(layer)) bytes += layerBytes(layer);
    }
    freedBytes += bytes;
    return bytes;
  };
  const oldestFirst = images.toSorted((a, b) => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1));
  return oldestFirst.map((image) => {
    const { id, repoTags, repoDigests } = image;
    const names = [...(repoTags.length > 0 ? repoTags : repoDigests)];
    const enough = typeof goal === 'object' && freedBytes >= goal.freeBytes;
    const kept = reasonToKeep(image, question) ?? (enough ? 'enough space is free without it' : undefined);
    if (kept !== undefined) return { id, names, verdict: 'kept', reason: kept, freedBytes: 0 };
    const unusedMs = question.nowMs - image.lastUsedMs;
    return {
      id,
      names,
      verdict: 'removed',
      reason: `unused for ${durationText(unusedMs)}`,
      freedBytes: remove(image),
    };
  });
}

function reasonToKeep(
  { pinned, users, lastUsedMs, repoTags }: PlannedImage,
  { nowMs, minimumAgeMs, goal }: GarbageQuestion,
): string | undefined {
  if (pinned) return 'pinned: every pod needs it';
  if (users.length > 0) return `in use by ${users.join(', ')}`;
  if (goal === 'untagged' && repoTags.length > 0) return 'has a tag';
  // A clock that was set back makes nothing older, and nothing young for long.
  if (Math.abs(nowMs - lastUsedMs) < minimumAgeMs)
    return `used within the last ${durationText(minimumAgeMs)}`;
  return undefined;
}

const units: [name: string, ms: number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
];

/** In the largest unit that it fills: `3d`, `42s`. */
function durationText(ms: number): string {
  const [name, unitMs] = units.find(([, unit]) => ms >= unit) ?? ['s', 1_000];
  return `${Math.max(0, Math.floor(ms / unitMs))}${name}`;
}
