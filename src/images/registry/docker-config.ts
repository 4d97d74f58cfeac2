import { NodeletError } from '../../base/errors.js';
import type { RegistryLogin } from './login.js';
import { decodedLogin, hostOf } from './login.js';

/** Docker's config.json and containers' auth.json, as far as they are about logins. */
export interface DockerConfig {
  /** By registry or a path below one (`registry.lan/team`), aliases of Docker Hub written as docker.io. */
  logins: { prefix: string; login: RegistryLogin }[];
  /** Helpers of single registries, by name without `docker-credential-`. */
  helpers: { prefix: string; helper: string }[];
  /** The helper for all others. */
  store: string | undefined;
}

const helperForm = /^[\w.-]+$/;

/** Reads one; what is not about logins is Docker's own and of no matter here. `invalid` naming file and member. */
export function parseDockerConfig(text: string, fileName: string): DockerConfig {
  const refuse = (member: string, why: string): NodeletError =>
    new NodeletError('invalid', `${fileName}: ${member} ${why}`, {
      field: 'dockerConfig',
      remedy: 'write the file anew with `docker login` or `podman login`',
    });
  const object = (value: unknown, member: string): Record<string, unknown> => {
    if (value === undefined || value === null) return {};
    if (typeof value !== 'object' || Array.isArray(value)) throw refuse(member, 'must be an object');
    return value as Record<string, unknown>;
  };
  const textIn = (value: unknown, member: string): string => {
    if (value === undefined || value === null) return '';
    if (typeof value !== 'string') throw refuse(member, 'must be a text');
    return value;
  };
  const helperIn = (value: unknown, member: string): string => {
    const helper = textIn(value, member);
    if (helper !== '' && !helperForm.test(helper)) throw refuse(member, 'must be the name of a helper');
    return helper;
  };
  const loginIn = (value: unknown, member: string): RegistryLogin[] => {
    const entry = object(value, member);
    const get = (name: string) => textIn(entry[name], `${member}.${name}`);
    if (get('identitytoken') !== '') return [{ kind: 'refresh-token', token: get('identitytoken') }];
    if (get('registrytoken') !== '') return [{ kind: 'bearer', token: get('registrytoken') }];
    const [username, password, auth] = [get('username'), get('password'), get('auth')];
    if (auth !== '') {
      const login = decodedLogin(auth);
      if (login === undefined) throw refuse(`${member}.auth`, 'is not the base64 form of username:password');
      return [login];
    }
    return username === '' ? [] : [{ kind: 'password', username, password }];
  };
  const top = object(
    parsed(text, () => refuse('it', 'is no JSON')),
    'it',
  );
  const auths = Object.entries(object(top['auths'], 'auths'));
  const helpers = Object.entries(object(top['credHelpers'], 'credHelpers'));
  const store = helperIn(top['credsStore'], 'credsStore');
  return {
    logins: auths.flatMap(([key, value]) =>
      loginIn(value, `auths["${key}"]`).map((login) => ({ prefix: prefixOf(key), login })),
    ),
    helpers: helpers.flatMap(([key, value]) => {
      const helper = helperIn(value, `credHelpers["${key}"]`);
      return helper === '' ? [] : [{ prefix: prefixOf(key), helper }];
    }),
    store: store === '' ? undefined : store,
  };
}

function parsed(text: string, refusal: () => NodeletError): unknown {
  try {
    // An empty file is what some tools leave after a logout.
    return text.trim() === '' ? {} : (JSON.parse(text) as unknown);
  } catch {
    // The parser's words would quote the file, which holds secrets.
    throw refusal();
  }
}

/** `https://index.docker.io/v1/` and `registry.lan/team` as prefixes of names; an API version is no path. */
function prefixOf(key: string): string {
  const [, ...path] = key
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/\/(v1|v2)?\/?$/, '')
    .split('/');
  return [hostOf(key), ...path].join('/');
}
