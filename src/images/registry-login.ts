import { NodeletError } from '../base/errors.js';
import type { AuthConfig } from '../ports/cri/messages.js';

/** What to show a registry: a name and password, a refresh token for its token service, or a token to use as it is. */
export type RegistryLogin =
  | { kind: 'password'; username: string; password: string }
  | { kind: 'refresh-token'; token: string }
  | { kind: 'bearer'; token: string };

/**
 * Reads CRI's AuthConfig as other runtimes do: the first of username, identity_token, auth and registry_token that is set. With a
 * server_address it is only for that registry; for another one there is no login. `invalid` naming the field when it can't be used.
 */
export function registryLogin(auth: AuthConfig | null, registry: string): RegistryLogin | undefined {
  if (auth === null) return undefined;
  if (auth.server_address !== '' && hostOf(auth.server_address) !== registry) return undefined;
  if (auth.username !== '') return { kind: 'password', username: auth.username, password: auth.password };
  if (auth.password !== '') throw refuse('auth.username', 'a password needs a username');
  if (auth.identity_token !== '') return { kind: 'refresh-token', token: auth.identity_token };
  if (auth.auth !== '') return fromBase64(auth.auth);
  if (auth.registry_token !== '') return { kind: 'bearer', token: auth.registry_token };
  return undefined;
}

function fromBase64(encoded: string): RegistryLogin {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) throw refuse('auth.auth', 'is not the base64 form of username:password');
  // Docker pads the decoded text with NULs.
  return {
    kind: 'password',
    username: text.slice(0, colon),
    password: text.slice(colon + 1).replace(/\0+$/, ''),
  };
}

/** The registry that a login is for: `https://index.docker.io/v1/`, `127.0.0.1:5000`. */
function hostOf(address: string): string {
  const host = address.replace(/^[a-z]+:\/\//i, '').split('/')[0] ?? '';
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

const refuse = (field: string, why: string): NodeletError =>
  new NodeletError('invalid', why, { field, remedy: 'give a username and a password, or a token' });
