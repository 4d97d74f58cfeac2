import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import type { RecordTable } from '../ports/record-store.js';
import type { ImageRunConfig } from './images.js';
import type { Platform } from './platform.js';
import type { ImageReference } from './reference.js';
import { parseReference, repositoryName } from './reference.js';

/** An image of the store: all its layers are there. */
export interface ImageRecord {
  version: 1;
  id: ImageId;
  /** `registry/name:tag`, normalized. */
  repoTags: string[];
  /** `registry/name@sha256:…` */
  repoDigests: string[];
  /** Diff ids, topmost first; in records of older versions, keys of their own. */
  layers: string[];
  run: ImageRunConfig;
  /** What else its config says, for people; absent in records of older versions and for the embedded image. */
  platform?: Platform;
  created?: string;
  diffIds?: string[];
  /** Digests of what the document store keeps of it as it came; absent in records of older versions and for the embedded image. */
  documents?: { config: string; manifest: string; index?: string };
}

const wholeId = /^(?:sha256:)?([0-9a-f]{64})$/;
const idPrefix = /^(?:sha256:)?([0-9a-f]{6,63})$/;
const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

/** Which images there are, and by which names. A tag names one image at most. */
export class ImageCatalog {
  // One at a time: two pulls that name one image would otherwise each write over the other's name.
  private readonly writes = new KeyedQueue<'all'>();

  constructor(private readonly records: RecordTable<ImageRecord>) {}

  all(): ImageRecord[] {
    return this.records.entries().map(([, record]) => record);
  }

  get(id: ImageId): ImageRecord | undefined {
    return this.records.get(id);
  }

  /**
   * By id, `name:tag`, `name@digest`, short form, or the beginning of an id, in this order: a name that happens to be
   * hexadecimal is a name first. `invalid` naming `field` when the text is none of these, or begins several ids.
   */
  find(text: string, field = 'image.image'): ImageRecord | undefined {
    const whole = wholeId.exec(text)?.[1];
    if (whole !== undefined) return this.records.get(`sha256:${whole}` as ImageId);
    const all = this.all();
    const hex = idPrefix.exec(text)?.[1];
    const named = text.startsWith('sha256:') ? undefined : findByName(all, parseReference(text, field));
    if (named !== undefined || hex === undefined) return named;
    const begun = all.filter(({ id }) => id.startsWith(`sha256:${hex}`));
    if (begun.length < 2) return begun[0];
    throw new NodeletError('invalid', `id prefix "${text}" fits ${begun.length} images`, {
      field,
      remedy: 'give more characters of the id',
    });
  }

  /** Adds an image, or names to it; a tag that another image had moves to this one. Gives the image as it is now. */
  put(record: ImageRecord): Promise<ImageRecord> {
    return this.writes.run('all', async () => {
      await this.takeTags(record.id, record.repoTags);
      const known = this.records.get(record.id);
      const named = {
        ...record,
        repoTags: union(known?.repoTags ?? [], record.repoTags),
        repoDigests: union(known?.repoDigests ?? [], record.repoDigests),
      };
      await this.records.put(record.id, named);
      return named;
    });
  }

  /** Gives an image that is there one more tag; `not-found` where it has gone. */
  addTag(id: ImageId, tag: string): Promise<void> {
    return this.writes.run('all', async () => {
      const record = this.records.get(id);
      if (record === undefined) throw new NodeletError('not-found', `image ${id} has been removed`);
      await this.takeTags(id, [tag]);
      await this.records.put(id, { ...record, repoTags: union(record.repoTags, [tag]) });
    });
  }

  /** Changes the names of an image that is there. */
  rename(
    id: ImageId,
    change: (names: ImageRecord) => Pick<ImageRecord, 'repoTags' | 'repoDigests'>,
  ): Promise<void> {
    return this.writes.run('all', async () => {
      const record = this.records.get(id);
      if (record !== undefined) await this.records.put(id, { ...record, ...change(record) });
    });
  }

  /** Removes an image with all its names; gone is success. */
  remove(id: ImageId): Promise<void> {
    return this.writes.run('all', () => this.records.remove(id));
  }

  /** From all images but the one that is to have them. */
  private async takeTags(id: ImageId, tags: readonly string[]): Promise<void> {
    for (const other of this.all()) {
      const kept = other.repoTags.filter((tag) => !tags.includes(tag));
      if (other.id !== id && kept.length < other.repoTags.length)
        await this.records.put(other.id, { ...other, repoTags: kept });
    }
  }
}

function findByName(images: readonly ImageRecord[], reference: ImageReference): ImageRecord | undefined {
  const name = repositoryName(reference);
  // With both, the digest decides, as in a pull.
  if (reference.digest !== undefined) {
    const wanted = `${name}@${reference.digest}`;
    return images.find(({ repoDigests }) => repoDigests.includes(wanted));
  }
  return images.find(({ repoTags }) => repoTags.includes(`${name}:${reference.tag ?? ''}`));
}
