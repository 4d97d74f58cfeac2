import { renderTable } from './pod-table.js';

/** Of CRI's ListImages, as the client has it. */
export interface ImageShape {
  id?: string;
  repo_tags?: string[];
  repo_digests?: string[];
  /** Bytes, as decimal text. */
  size?: string;
}

export interface ImageTableOptions {
  /** Ids alone, one for each image. */
  quiet: boolean;
  /** With a column of digests. */
  digests: boolean;
  /** Ids as long as they are. */
  trunc: boolean;
}

const shownIdChars = 12;
const none = '<none>';

/** Images as `image ls` shows them: a row for each name. */
export function imageTable(images: readonly ImageShape[], options: ImageTableOptions): string {
  const idOf = ({ id = '' }: ImageShape): string =>
    options.trunc ? id.replace(/^sha256:/, '').slice(0, shownIdChars) : id;
  if (options.quiet) return images.map((image) => `${idOf(image)}\n`).join('');
  const header = ['IMAGE', ...(options.digests ? ['DIGEST'] : []), 'ID', 'SIZE'];
  const rows = images.flatMap((image) =>
    namesOf(image).map(({ name, digest }) => [
      name,
      ...(options.digests ? [digest] : []),
      idOf(image),
      sizeText(Number(image.size ?? '0')),
    ]),
  );
  return renderTable([header, ...rows]);
}

/**
 * Images with the names that a pattern means: `registry/name:tag`, the name without the tag for all its tags, or the short form
 * of either; `*` stands for any characters but `/`. Names that it doesn't mean are left out.
 */
export function imagesNamed(images: readonly ImageShape[], pattern: string): ImageShape[] {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*');
  const form = new RegExp(`^${source}$`);
  const isMeant = (name: string): boolean => {
    const repository = name.includes('@') ? (name.split('@')[0] ?? '') : name.slice(0, name.lastIndexOf(':'));
    const short = (text: string): string => text.replace(/^docker\.io\/(?:library\/)?/, '');
    return [name, repository, short(name), short(repository)].some((text) => form.test(text));
  };
  return images.flatMap((image): ImageShape[] => {
    const repo_tags = (image.repo_tags ?? []).filter(isMeant);
    const repo_digests = (image.repo_digests ?? []).filter(isMeant);
    if (repo_tags.length > 0) return [{ ...image, repo_tags }];
    return repo_digests.length > 0 && !image.repo_tags?.length ? [{ ...image, repo_digests }] : [];
  });
}

/** Each tag with the digest of its repository; an image without a tag is shown by a digest. */
function namesOf({ repo_tags = [], repo_digests = [] }: ImageShape): { name: string; digest: string }[] {
  if (repo_tags.length === 0) {
    const [name = none] = repo_digests;
    return [{ name, digest: name.split('@')[1] ?? none }];
  }
  return repo_tags.map((name) => {
    const repository = `${name.slice(0, name.lastIndexOf(':'))}@`;
    const digest = repo_digests.find((one) => one.startsWith(repository))?.slice(repository.length);
    return { name, digest: digest ?? none };
  });
}

/** `12.3MB`, as docker and podman tell sizes. */
export function sizeText(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)}MB`;
}
