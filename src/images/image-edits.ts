import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import type { ImageCatalog, ImageRecord } from './image-catalog.js';
import { canonicalText, parseReference, repositoryName } from './reference.js';

interface EditParts {
  catalog: ImageCatalog;
  /** The name by which an image is pinned. */
  pauseName: string;
  /** Names that only nodelet gives. */
  reservedRepository: string;
  /** Takes an image away with all its names, and the layers that nobody needs then; refuses a pinned one. */
  remove: (record: ImageRecord) => Promise<void>;
  /** Resolves when what was changed survives loss of power. */
  flushed: () => Promise<void>;
}

/** What a removal by name has done. */
export interface RemovedName {
  untagged: string[];
  /** The image, where that was the last of its names. */
  removed: ImageId | undefined;
}

/** What people change about the names of images, docker's way. Errors about a reference name the field it came in. */
export interface ImageEdits {
  /** Gives an image one more name, which another image loses that had it. The name, normalized. */
  tag(names: { source: string; name: string }): Promise<string>;
  /**
   * Takes one name away, and the image with the last of them; `not-found` where there is none. By an id: the image with its
   * name; `wrong-state` where it has several, unless `force`.
   */
  removeName(reference: string, options: { force: boolean }): Promise<RemovedName>;
}

export function createImageEdits(parts: EditParts): ImageEdits {
  const { catalog } = parts;
  const found = (reference: string, field: string): ImageRecord => {
    const record = catalog.find(reference, field);
    if (record !== undefined) return record;
    throw new NodeletError('not-found', `no image ${reference} on this node`);
  };
  const removeAll = async (record: ImageRecord): Promise<RemovedName> => {
    await parts.remove(record);
    return { untagged: [...record.repoTags, ...record.repoDigests], removed: record.id };
  };
  return {
    tag: async ({ source, name: text }) => {
      const record = found(source, 'source');
      const reference = parseReference(text, 'name');
      if (reference.digest !== undefined) {
        throw new NodeletError('invalid', 'is a digest, which follows from what the image is', {
          field: 'name',
          remedy: 'name it as registry/name:tag',
        });
      }
      if (repositoryName(reference) === parts.reservedRepository) {
        throw new NodeletError('denied', 'is a name that only nodelet gives', { field: 'name' });
      }
      const name = canonicalText(reference);
      await catalog.addTag(record.id, name);
      await parts.flushed();
      return name;
    },
    removeName: async (reference, { force }) => {
      const record = found(reference, 'reference');
      const name = namedIn(reference, record);
      if (name === undefined) {
        if (record.repoTags.length > 1 && !force) {
          throw new NodeletError('wrong-state', `the image has ${record.repoTags.length} names`, {
            remedy: `remove them by name, or all with --force: ${record.repoTags.join(', ')}`,
          });
        }
        return removeAll(record);
      }
      if (name === parts.pauseName) {
        throw new NodeletError('denied', 'the image is pinned: every pod needs it', {
          field: 'reference',
          remedy: 'configure another pauseImage first',
        });
      }
      const left = withoutName(record, name);
      if (left.repoTags.length + left.repoDigests.length === 0) return removeAll(record);
      await catalog.rename(record.id, (now) => withoutName(now, name));
      await parts.flushed();
      return { untagged: [name], removed: undefined };
    },
  };
}

type Names = Pick<ImageRecord, 'repoTags' | 'repoDigests'>;

/** The name of the image that a text is; undefined where it is an id. */
function namedIn(text: string, { repoTags, repoDigests }: Names): string | undefined {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(text) || text.startsWith('sha256:')) return undefined;
  const reference = parseReference(text, 'reference');
  const repository = repositoryName(reference);
  const name =
    reference.digest === undefined
      ? `${repository}:${reference.tag ?? ''}`
      : `${repository}@${reference.digest}`;
  return [...repoTags, ...repoDigests].includes(name) ? name : undefined;
}

/** Digests of a repository go with the last tag of it. */
function withoutName({ repoTags, repoDigests }: Names, name: string): Names {
  const tags = repoTags.filter((tag) => tag !== name);
  const digests = repoDigests.filter((digest) => digest !== name);
  const repository = repoTags.includes(name) ? name.slice(0, name.lastIndexOf(':')) : undefined;
  const isLast = repository !== undefined && !tags.some((tag) => tag.startsWith(`${repository}:`));
  return {
    repoTags: tags,
    repoDigests: isLast ? digests.filter((digest) => !digest.startsWith(`${repository}@`)) : digests,
  };
}
