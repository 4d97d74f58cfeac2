import { NodeletError } from '../base/errors.js';
import { digestForm } from './digest.js';

/** A parsed image reference: the grammar of the distribution project, with Docker's short forms written out. */
export interface ImageReference {
  /** `docker.io`, `127.0.0.1:5000`, `[::1]:5000`. */
  registry: string;
  /** `library/nginx`. */
  repository: string;
  /** `latest` where the text has neither tag nor digest. */
  tag: string | undefined;
  digest: string | undefined;
}

const dockerHub = 'docker.io';
const nameMaxChars = 255;
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const host = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?$`);
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const path = new RegExp(`^${component}(?:/${component})*$`);
const tagForm = /^\w[\w.-]{0,127}$/;
const idForm = /^(?:sha256:)?[0-9a-f]{64}$/;

/** Parses `nginx`, `host:5000/a/b:tag`, `name@sha256:…`, `name:tag@sha256:…`; `invalid` naming `field` and the part otherwise. */
export function parseReference(text: string, field = 'image.image'): ImageReference {
  const refuse = (why: string): NodeletError =>
    new NodeletError('invalid', `"${text}" is no image reference: ${why}`, {
      field,
      remedy: 'write it as registry/name:tag or registry/name@sha256:…',
    });
  if (idForm.test(text)) throw refuse('it is an id, which no registry knows');
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !digestForm.test(digest))) {
    throw refuse('a digest is sha256: and 64 lower-case hex digits, or sha512: and 128');
  }
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const name = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagForm.test(tag)) throw refuse(`"${tag}" is no tag`);
  const { registry, repository } = splitName(name);
  if (!host.test(registry)) throw refuse(`"${registry}" is no registry`);
  if (!path.test(repository)) {
    throw refuse(`"${repository}" is no repository: lower-case letters, digits and single separators`);
  }
  if (registry.length + 1 + repository.length > nameMaxChars) throw refuse('the name is too long');
  return { registry, repository, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** The first part is a registry when it can't be a part of a path on Docker Hub. */
function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const head = slash < 0 ? '' : name.slice(0, slash);
  if (!/[.:]/.test(head) && head !== 'localhost' && head === head.toLowerCase()) {
    return { registry: dockerHub, repository: slash < 0 ? `library/${name}` : name };
  }
  const rest = name.slice(slash + 1);
  const registry = head === 'index.docker.io' ? dockerHub : head;
  return {
    registry,
    repository: registry === dockerHub && !rest.includes('/') ? `library/${rest}` : rest,
  };
}

/** `registry/repository`, without tag and digest. */
export const repositoryName = (reference: ImageReference): string =>
  `${reference.registry}/${reference.repository}`;

/** The whole reference, normalized: equal for all spellings of one. */
export function canonicalText(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${repositoryName(reference)}${tag}${digest}`;
}
