import type { Log } from '../../base/call-context.js';
import { NodeletError } from '../../base/errors.js';
import type { ImageId } from '../../base/ids.js';
import { KeyedQueue } from '../../base/keyed-queue.js';
import type { Host } from '../../ports/host.js';
import type { ImageGcConfig } from '../../spec/config/node-config.js';
import type { GarbageGoal, ImageVerdict, PlannedImage } from './garbage-plan.js';
import { planGarbage } from './garbage-plan.js';
import type { ImageUses } from './image-uses.js';

/** An image as the room knows it. */
export type KnownImage = Pick<PlannedImage, 'id' | 'repoTags' | 'repoDigests' | 'pinned' | 'layers'>;

/** A root that is made of an image's layers, for as long as its container is there, running or not. */
export interface ImageUser {
  /** Of the container, the pod's sandbox or the volume. */
  id: string;
  imageId: ImageId;
  layers: readonly string[];
}

export interface ImageGcParts {
  config: ImageGcConfig;
  /** A folder of the file system that holds the images. */
  storePath: string;
  host: Pick<Host, 'clock' | 'usageProbes'>;
  log: Log;
  uses: ImageUses;
  images: () => KnownImage[];
  users: () => ImageUser[];
  layerBytes: (layer: string) => number;
  /** Takes images away, and afterwards all layers that nobody needs any more. */
  remove: (ids: AsyncIterable<ImageId>) => Promise<void>;
}

export interface PruneWish {
  /** All images that nobody uses, not only those without a tag. */
  all: boolean;
  /** Tells what would become of each image, and changes nothing. */
  dryRun: boolean;
}

const shownIdChars = 12;

/**
 * Removes images that nobody uses: regularly, once the disk is fuller than a threshold and until it is below another, and all of
 * them where somebody asks. A kubelet beside it does the same over CRI by the same rules; an image that is gone is no failure
 * to either.
 */
export class ImageGc {
  private readonly rounds = new KeyedQueue<'all'>();
  private readonly stopping = new AbortController();

  constructor(private readonly parts: ImageGcParts) {}

  /** Begins with a period of rest: pods of the last run are to find their images first. */
  start(): void {
    void this.run().catch(() => undefined);
  }

  /** Ends the rounds; the uses that are known so far are written down. */
  async stop(): Promise<void> {
    this.stopping.abort(new NodeletError('canceled', 'nodelet is stopping'));
    await this.rounds.drain();
    await this.saveUses();
  }

  /** One verdict for each image, least recently used first. */
  prune({ all, dryRun }: PruneWish): Promise<ImageVerdict[]> {
    const goal = all ? 'unused' : 'untagged';
    return this.rounds.run('all', () =>
      dryRun ? Promise.resolve(this.plan({ goal, minimumAgeMs: 0 })) : this.collect(goal, 0),
    );
  }

  /** What becomes of each image if so much is to be had now. */
  plan({ goal, minimumAgeMs }: { goal: GarbageGoal; minimumAgeMs: number }): ImageVerdict[] {
    const { uses, host } = this.parts;
    const users = this.parts.users();
    return planGarbage({
      images: this.parts.images().map((image) => ({
        ...image,
        users: this.usersOf(image.id, users),
        lastUsedMs: uses.lastUsedMs(image.id),
      })),
      neededLayers: new Set(users.flatMap(({ layers }) => layers)),
      layerBytes: this.parts.layerBytes,
      nowMs: Number(host.clock.nowNs() / 1_000_000n),
      minimumAgeMs,
      goal,
    });
  }

  /** Frees space where the disk is fuller than the high threshold; gives the verdicts, none where it isn't. */
  round(): Promise<ImageVerdict[]> {
    return this.rounds.run('all', async () => {
      const { config, log, storePath, host, uses } = this.parts;
      for (const { imageId } of this.parts.users()) uses.touch(imageId);
      await this.saveUses();
      const { capacityBytes, availableBytes } = await host.usageProbes.fileSystem(storePath);
      if (capacityBytes === 0 || config.highThresholdPercent === 100) return [];
      const usedPercent = 100 - Math.floor((availableBytes * 100) / capacityBytes);
      if (usedPercent < config.highThresholdPercent) return [];
      const wantedBytes = Math.ceil((capacityBytes * (100 - config.lowThresholdPercent)) / 100);
      const freeBytes = wantedBytes - availableBytes;
      log.info({ usedPercent, freeBytes, ...config }, 'the disk is full: unused images go');
      const verdicts = await this.collect({ freeBytes }, config.minimumAgeMs);
      const freedBytes = verdicts.reduce((sum, verdict) => sum + verdict.freedBytes, 0);
      if (freedBytes < freeBytes) {
        log.warn(
          { wantedBytes: freeBytes, freedBytes },
          'unused images are too few to free the disk; remove pods or files, or give it more space',
        );
      }
      return verdicts;
    });
  }

  private async run(): Promise<void> {
    const { config, host, log } = this.parts;
    for (;;) {
      await host.clock.sleep(config.periodMs, this.stopping.signal);
      await this.round().catch((thrown: unknown) =>
        log.warn({ err: String(thrown) }, 'unused images could not be removed; the next round tries again'),
      );
    }
  }

  private async collect(goal: GarbageGoal, minimumAgeMs: number): Promise<ImageVerdict[]> {
    const verdicts = this.plan({ goal, minimumAgeMs });
    await this.parts.remove(this.stillUnused(verdicts));
    await this.saveUses();
    for (const verdict of verdicts) this.parts.log.info({ ...verdict, image: verdict.id }, 'image judged');
    return verdicts;
  }

  /** Images to remove, each looked at again at its turn: a pod may have come for it. Such a verdict is changed. */
  private async *stillUnused(verdicts: ImageVerdict[]): AsyncGenerator<ImageId> {
    for (const verdict of verdicts) {
      if (verdict.verdict === 'kept') continue;
      const users = this.usersOf(verdict.id, this.parts.users());
      if (users.length === 0) yield verdict.id;
      else
        Object.assign(verdict, { verdict: 'kept', reason: `in use by ${users.join(', ')}`, freedBytes: 0 });
    }
  }

  private usersOf(id: ImageId, users: readonly ImageUser[]): string[] {
    const { uses, config } = this.parts;
    const roots = users.filter(({ imageId }) => imageId === id);
    return [
      ...roots.map((user) => user.id.slice(0, shownIdChars)),
      ...uses.awaitingPods(id, config.minimumAgeMs).map((pod) => `pod ${pod}, which it was pulled for`),
    ];
  }

  /** A disk that is too full for records is one that must be freed all the same. */
  private async saveUses(): Promise<void> {
    const { uses, images, log } = this.parts;
    await uses
      .save(new Set(images().map(({ id }) => id)))
      .catch((thrown: unknown) =>
        log.warn({ err: String(thrown) }, 'when images were last used could not be written down'),
      );
  }
}
