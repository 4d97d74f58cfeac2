import { NodeletError } from '../../base/errors.js';
import type { AuthConfig } from '../../ports/cri/messages.js';

/** What to show a registry. */
export type RegistryLogin =
  | { kind: 'password'; username: string; password: string }
  /** For the registry's token service, OAuth 2. */
  | { kind: 'refresh-token'; token: string }
  /** To be used as it is. */
  | { kind: 'bearer'; token: string };

/** What was found for one registry. */
export interface FoundLogin {
  login: RegistryLogin | undefined;
  /** Where it was found, for people; what was looked at last where there is none. */
  from: string;
  /** The registry that the request's own login is for, where that is another one. */
  elsewhere?: string;
}

/** The login of a request: for the registry of the reference, or for the host that it names. */
export interface RequestLogin {
  login: RegistryLogin;
  host: string | undefined;
}

/**
 * Reads CRI's AuthConfig. It holds one login: a username and password, plain or as `auth`, or one of the two tokens. A username
 * without a password beside an identity token is the placeholder that Docker's configurations have there. `invalid` naming the
 * field when it is none, or more than one.
 */
export function requestLogin(auth: AuthConfig | null): RequestLogin | undefined {
  const login = auth === null ? undefined : onlyOne(auth);
  const host = hostOf(auth?.server_address ?? '');
  return login === undefined ? undefined : { login, host: host === '' ? undefined : host };
}

function onlyOne(auth: AuthConfig): RegistryLogin | undefined {
  const given = [
    { field: 'auth.username', login: plain(auth) },
    { field: 'auth.auth', login: encoded(auth.auth) },
    {
      field: 'auth.identity_token',
      login: token('refresh-token', auth.identity_token, 'auth.identity_token'),
    },
    { field: 'auth.registry_token', login: token('bearer', auth.registry_token, 'auth.registry_token') },
  ].flatMap(({ field, login }) => (login === undefined ? [] : [{ field, login }]));
  const [first, ...others] = given;
  const other = others.find(({ login }) => JSON.stringify(login) !== JSON.stringify(first?.login));
  if (first !== undefined && other !== undefined) {
    throw refuse(other.field, `is another login than ${first.field}`);
  }
  return first?.login;
}

function plain({ username, password, identity_token }: AuthConfig): RegistryLogin | undefined {
  if (username === '' && password !== '') throw refuse('auth.username', 'a password needs a username');
  if (username.includes(':')) throw refuse('auth.username', 'has a colon, which ends a name');
  if (username === '' || (password === '' && identity_token !== '')) return undefined;
  return { kind: 'password', username, password };
}

function encoded(auth: string): RegistryLogin | undefined {
  if (auth === '') return undefined;
  const login = decodedLogin(auth);
  if (login === undefined) throw refuse('auth.auth', 'is not the base64 form of username:password');
  return login;
}

/** `username:password` in base64; undefined for other text. */
export function decodedLogin(auth: string): (RegistryLogin & { kind: 'password' }) | undefined {
  const text = /^[\w+/-]+={0,2}$/.test(auth) ? Buffer.from(auth, 'base64').toString('utf8') : '';
  const colon = text.indexOf(':');
  if (colon < 1) return undefined;
  // Docker pads the decoded text with NULs.
  return {
    kind: 'password',
    username: text.slice(0, colon),
    password: text.slice(colon + 1).replace(/\0+$/, ''),
  };
}

function token(kind: 'refresh-token' | 'bearer', text: string, field: string): RegistryLogin | undefined {
  if (text === '') return undefined;
  if (!/^[\x21-\x7e]+$/.test(text)) throw refuse(field, 'has characters that no token has');
  return { kind, token: text };
}

/** The registry that an address names: `https://index.docker.io/v1/`, `127.0.0.1:5000`, `Registry.example:443`. */
export function hostOf(address: string): string {
  const [host = ''] = address
    .toLowerCase()
    .replace(/^[a-z]+:\/\//, '')
    .split('/');
  if (host === 'index.docker.io' || host === 'registry-1.docker.io') return 'docker.io';
  return host.replace(/:443$/, '');
}

const refuse = (field: string, why: string): NodeletError =>
  new NodeletError('invalid', why, { field, remedy: 'give one username and password, or one token' });
