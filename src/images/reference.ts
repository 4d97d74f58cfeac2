import { NodeletError } from '../base/errors.js';

/** A parsed image reference, distribution-spec and Docker's short forms. */
export interface ImageReference {
  /** `docker.io`, `127.0.0.1:5000`. */
  registry: string;
  /** `library/nginx`. */
  repository: string;
  tag: string | undefined;
  digest: string | undefined;
}

/** Parses `nginx`, `host:5000/a/b:tag`, `name@sha256:…`, `name:tag@sha256:…`; `invalid` naming the field otherwise. */
export function parseReference(text: string, field = 'image.image'): ImageReference {
  const match =
    /^(?<name>[a-zA-Z0-9][a-zA-Z0-9._:/-]*?)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/.exec(
      text,
    );
  const name = match?.groups?.['name'];
  if (name === undefined || name.endsWith('/') || name.includes('//')) {
    throw new NodeletError('invalid', `"${text}" is no image reference`, {
      field,
      remedy: 'write it as registry/name:tag or registry/name@sha256:…',
    });
  }
  const slash = name.indexOf('/');
  const head = slash < 0 ? '' : name.slice(0, slash);
  const isHost = /[.:]/.test(head) || head === 'localhost';
  const registry = isHost ? head : 'docker.io';
  const rest = isHost ? name.slice(slash + 1) : name;
  const repository = registry === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  if (repository !== repository.toLowerCase() || repository.includes(':')) {
    throw new NodeletError('invalid', `"${repository}" is no repository name`, {
      field,
      remedy: 'use lower case',
    });
  }
  const digest = match?.groups?.['digest'];
  return {
    registry,
    repository,
    tag: match?.groups?.['tag'] ?? (digest === undefined ? 'latest' : undefined),
    digest,
  };
}

export const repositoryName = (reference: ImageReference): string =>
  `${reference.registry}/${reference.repository}`;
