import type { Host } from '../../ports/host.js';
import type { DockerConfig } from './docker-config.js';
import { parseDockerConfig } from './docker-config.js';
import { askHelper } from './credential-helper.js';
import type { FoundLogin, RegistryLogin, RequestLogin } from './login.js';
import { hostOf } from './login.js';
import { longestMatch } from './prefix.js';

export interface LoginWish {
  /** `docker.io`, `mirror.lan:5000`. */
  host: string;
  /** What is asked for there. */
  repository: string;
  isMirror: boolean;
  /** Of the registries file. */
  configured: RegistryLogin | undefined;
  /** Of the request; it is shown to a mirror only when it names that mirror. */
  request: RequestLogin | undefined;
  signal: AbortSignal;
}

export interface CredentialParts {
  /** Path of Docker's config.json. */
  dockerConfig: string;
  host: Pick<Host, 'files' | 'processes'>;
}

/** Finds the login for a registry: the request's own, then the registries file's, then that of Docker's configuration. */
export async function findLogin(wish: LoginWish, parts: CredentialParts): Promise<FoundLogin> {
  const { request, configured, host, isMirror } = wish;
  const isFor = (named: string | undefined): boolean =>
    named === undefined ? !isMirror : named === hostOf(host);
  if (request !== undefined && isFor(request.host)) return { login: request.login, from: 'the request' };
  const elsewhere = isMirror || request?.host === undefined ? {} : { elsewhere: request.host };
  if (configured !== undefined) return { login: configured, from: 'the registries file', ...elsewhere };
  return { ...(await dockerLogin(wish, parts)), ...elsewhere };
}

async function dockerLogin(
  { host, repository, signal }: LoginWish,
  { dockerConfig, host: { files, processes } }: CredentialParts,
): Promise<FoundLogin> {
  const content = await files.read(dockerConfig);
  if (content === undefined) return { login: undefined, from: 'none' };
  const config = parseDockerConfig(content.toString('utf8'), dockerConfig);
  const name = `${hostOf(host)}/${repository}`;
  for (const helper of helpersFor(config, name)) {
    const login = await askHelper({ helper, registry: host, signal }, processes);
    if (login !== undefined) return { login, from: `docker-credential-${helper}` };
  }
  const login = longestMatch(config.logins, name)?.login;
  return { login, from: login === undefined ? 'none' : dockerConfig };
}

/** The registry's own helper alone, where it has one. */
function helpersFor({ helpers, store }: DockerConfig, name: string): string[] {
  const own = longestMatch(helpers, name)?.helper;
  if (own !== undefined) return [own];
  return store === undefined ? [] : [store];
}
