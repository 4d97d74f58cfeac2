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
