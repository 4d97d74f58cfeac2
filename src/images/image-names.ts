import type { ImageSpec } from '../ports/cri/messages.js';
import type { ImageInfo } from './images.js';
import type { ImageReference } from './reference.js';
import { canonicalText, parseReference, repositoryName } from './reference.js';

type Names = Pick<ImageInfo, 'id' | 'repoTags' | 'repoDigests'>;

/** What a container tells of its image beside the id. */
export interface ToldNames {
  /** The name that the request or its user gave, normalized, where the image has it; else another name of it, else its id. */
  reference: string;
  /** `name@sha256:…` of that name's registry where the image was pulled from there; empty for an image of no registry. */
  digest: string;
}

/**
 * Chooses among the names of an image those that a container was asked for by. A kubelet sends the id as the image and its
 * user's words beside it; one image may come from several registries, and its digest should be of the one the user meant.
 */
export function toldNames(image: Names, spec: Pick<ImageSpec, 'image' | 'user_specified_image'>): ToldNames {
  const asked = [spec.image, spec.user_specified_image].flatMap(nameIn);
  const named = asked.find((reference) => isNameOf(reference, image));
  const repository = named && `${repositoryName(named)}@`;
  const wanted = named?.digest ?? '';
  const ofRegistry = image.repoDigests.filter((digest) => digest.startsWith(repository ?? ''));
  return {
    reference: (named && canonicalText(named)) ?? image.repoTags[0] ?? image.repoDigests[0] ?? image.id,
    digest: ofRegistry.find((digest) => digest.endsWith(wanted)) ?? image.repoDigests[0] ?? '',
  };
}

/** Whether an ImageSpec's `image_ref`, where it is set, is the id or a digest of the image that its `image` led to. */
export function isReferredTo(image: Names, { image_ref: wanted }: Pick<ImageSpec, 'image_ref'>): boolean {
  return wanted === '' || wanted === image.id || image.repoDigests.includes(wanted);
}

/** The reference, unless the text is an id or free words. */
function nameIn(text: string): ImageReference[] {
  if (text === '' || text.startsWith('sha256:')) return [];
  try {
    return [parseReference(text)];
  } catch {
    return [];
  }
}

function isNameOf(reference: ImageReference, { repoTags, repoDigests }: Names): boolean {
  const name = repositoryName(reference);
  if (reference.digest !== undefined) return repoDigests.includes(`${name}@${reference.digest}`);
  return repoTags.includes(`${name}:${reference.tag ?? 'latest'}`);
}
