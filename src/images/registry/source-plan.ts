import { NodeletError } from '../../base/errors.js';
import type { RegistryHostConfig, RegistryMirror, RegistryRule } from '../../spec/config/registries-file.js';
import type { ImageReference } from '../reference.js';
import { longestMatch } from './prefix.js';

/** One place that a repository can be fetched from. */
export interface SourcePlan {
  /** As users write it: `docker.io`, `mirror.lan:5000`. */
  host: string;
  /** The repository's path there. */
  repository: string;
  isMirror: boolean;
  /** `https://host/v2/path`, in the order in which they are tried until one answers. */
  bases: string[];
  /** Goes behind each address: tells a mirror of several registries which one is meant. Empty for none. */
  query: string;
  settings: RegistryHostConfig;
  skipVerify: boolean;
}

/** What sources depend on: tags and digests don't. */
type Named = Pick<ImageReference, 'registry' | 'repository'>;

const usual: RegistryHostConfig = {
  scheme: 'default',
  ca: undefined,
  clientCert: undefined,
  clientKey: undefined,
  auth: undefined,
};

/** Where a repository is fetched from, mirrors first and the registry itself last, by the rule whose prefix covers most of its name. `denied` for one that is blocked. */
export function planSources(reference: Named, rules: readonly RegistryRule[]): SourcePlan[] {
  const { registry, repository } = reference;
  const rule = longestMatch(rules, `${registry}/${repository}`);
  if (rule?.blocked === true) {
    throw new NodeletError('denied', `${rule.prefix} is blocked on this node`, {
      field: 'image.image',
      remedy: 'use an image of another registry, or ask who keeps the registries file',
    });
  }
  const mirrors = (rule?.mirrors ?? []).map((mirror) => mirrorPlan(mirror, reference));
  const itself = { host: registry, repository, isMirror: false, query: '', settings: rule ?? usual };
  return [...mirrors, itself].map((source) => ({ ...source, ...addressesOf(source) }));
}

function mirrorPlan(mirror: RegistryMirror, { registry, repository }: Named) {
  const { host, path } = mirror;
  return {
    host,
    repository: path === '' ? repository : `${path}/${repository}`,
    isMirror: true,
    query: `?ns=${encodeURIComponent(registry)}`,
    settings: mirror,
  };
}

const loopbackForm = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?$/;

function addressesOf({
  host,
  repository,
  settings: { scheme },
}: Pick<SourcePlan, 'host' | 'repository' | 'settings'>): Pick<SourcePlan, 'bases' | 'skipVerify'> {
  const server = host === 'docker.io' ? 'registry-1.docker.io' : host;
  const schemes =
    scheme === 'either'
      ? ['https', 'http']
      : scheme === 'http' || (scheme === 'default' && loopbackForm.test(host))
        ? ['http']
        : ['https'];
  return {
    bases: schemes.map((each) => `${each}://${server}/v2/${repository}`),
    skipVerify: scheme === 'either' || scheme === 'skip-verify',
  };
}
