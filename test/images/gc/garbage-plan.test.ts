import { expect } from 'chai';
import type { ImageId } from '../../../src/base/ids.js';
import type { GarbageQuestion, PlannedImage } from '../../../src/images/gc/garbage-plan.js';
import { planGarbage } from '../../../src/images/gc/garbage-plan.js';

const minuteMs = 60_000;
const nowMs = 1_000 * minuteMs;
const layerBytes: Record<string, number> = { base: 100, a: 10, b: 20, c: 40 };

const image = (name: string, ageMinutes: number, more: Partial<PlannedImage> = {}): PlannedImage => ({
  id: `sha256:${name}` as ImageId,
  repoTags: [`${name}:1`],
  repoDigests: [],
  pinned: false,
  layers: [name, 'base'],
  lastUsedMs: nowMs - ageMinutes * minuteMs,
  users: [],
  ...more,
});

function plan(images: PlannedImage[], question: Partial<GarbageQuestion> = {}): [string, string, number][] {
  const verdicts = planGarbage({
    images,
    neededLayers: new Set(),
    layerBytes: (layer) => layerBytes[layer] ?? 0,
    nowMs,
    minimumAgeMs: 2 * minuteMs,
    goal: 'unused',
    ...question,
  });
  return verdicts.map(({ id, verdict, reason, freedBytes }) => [
    `${id.slice(7)} ${verdict}`,
    reason,
    freedBytes,
  ]);
}

describe('images: which of them are garbage', () => {
  it('goes from the least recently used on until enough space is free', () => {
    expect(plan([image('c', 5), image('a', 90), image('b', 30)], { goal: { freeBytes: 30 } })).to.deep.equal([
      ['a removed', 'unused for 1h', 10],
      ['b removed', 'unused for 30m', 20],
      ['c kept', 'enough space is free without it', 0],
    ]);
  });

  it('keeps what is pinned, in use or young, and says which', () => {
    const images = [
      image('a', 5, { pinned: true }),
      image('b', 4, { users: ['0123456789ab', 'pod default/web'] }),
      image('c', 1),
    ];
    expect(plan(images)).to.deep.equal([
      ['a kept', 'pinned: every pod needs it', 0],
      ['b kept', 'in use by 0123456789ab, pod default/web', 0],
      ['c kept', 'used within the last 2m', 0],
    ]);
  });

  it('counts a shared layer for the last of its images, and for none while something else needs it', () => {
    const both = [image('a', 5), image('b', 4)];
    expect(plan(both).map(([, , bytes]) => bytes)).to.deep.equal([10, 120]);
    expect(plan([...both, image('c', 3, { pinned: true })]).map(([, , bytes]) => bytes)).to.deep.equal([
      10, 20, 0,
    ]);
    const needed = { neededLayers: new Set(['base', 'b']) };
    expect(plan(both, needed).map(([, , bytes]) => bytes)).to.deep.equal([10, 0]);
  });

  it('spares what has a tag where only images without one are meant', () => {
    const images = [image('a', 5), image('b', 4, { repoTags: [], repoDigests: ['b@sha256:1'] })];
    expect(plan(images, { goal: 'untagged', minimumAgeMs: 0 })).to.deep.equal([
      ['a kept', 'has a tag', 0],
      ['b removed', 'unused for 4m', 20],
    ]);
  });

  it('does not take an image for young for ever after the clock was set back', () => {
    expect(plan([image('a', -60)]).map(([verdict]) => verdict)).to.deep.equal(['a removed']);
  });
});
