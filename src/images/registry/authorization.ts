import { NodeletError } from '../../base/errors.js';
import type { ImageReference } from '../reference.js';
import type { RegistryLogin } from './login.js';
import type { RegistryTransport } from './transport.js';
import { registryUnavailable } from './transport.js';

/** The connection on which a challenge came: whether it was encrypted, whether any certificate is taken, and who waits. */
export interface ChallengeContext {
  secure: boolean;
  insecure: boolean;
  signal: AbortSignal;
}

const tokenMaxBytes = 64 * 1024;

/** One pull's authorization: what a login becomes by a registry's challenge, RFC 7235 and the distribution project's token flow. */
export class RegistryAuthorization {
  private value: string | undefined;

  constructor(
    private readonly transport: RegistryTransport,
    private readonly given: RegistryLogin | undefined,
    private readonly scope: string,
  ) {
    const { login } = this;
    if (login?.kind === 'bearer') this.value = `Bearer ${login.token}`;
  }

  /** The login, unless it is for another registry. */
  private get login(): RegistryLogin | undefined {
    return this.given?.kind === 'elsewhere' ? undefined : this.given;
  }

  get headers(): Record<string, string> {
    return this.value === undefined ? {} : { authorization: this.value };
  }

  /** Follows a 401's challenge; false when there is nothing (more) to try, `denied` when the token service refuses the login. */
  async answer(challenge: string, context: ChallengeContext): Promise<boolean> {
    if (this.value !== undefined) return false;
    const realm = parameter(challenge, 'realm');
    if (/\bbearer\b/i.test(challenge) && realm !== undefined) {
      this.value = `Bearer ${await this.fetchToken(realm, parameter(challenge, 'service'), context)}`;
    } else if (/\bbasic\b/i.test(challenge) && this.login?.kind === 'password') {
      this.value = basic(this.login);
    }
    return this.value !== undefined;
  }

  /** What to tell of a registry that lets nobody in by what it was shown. */
  refusal({ registry, repository }: ImageReference): NodeletError {
    const how =
      this.given === undefined
        ? 'without a login'
        : this.given.kind === 'elsewhere'
          ? `without a login, and the one given is for ${this.given.host}`
          : 'to this login';
    return new NodeletError('denied', `${registry} refuses access to ${repository} ${how}`, {
      field: this.given?.kind === 'elsewhere' ? 'auth.server_address' : 'auth',
      remedy: 'check the name, and give credentials that may pull it',
    });
  }

  private async fetchToken(
    realm: string,
    service: string | undefined,
    { secure, insecure, signal }: ChallengeContext,
  ): Promise<string> {
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw unusable(`names the token service "${realm}"`);
    if (secure && url.protocol !== 'https:' && this.login !== undefined) {
      throw unusable('wants the login sent to a token service without encryption');
    }
    const query = { scope: this.scope, ...(service !== undefined && { service }) };
    const response = await this.transport.send({
      ...(this.login?.kind === 'refresh-token'
        ? tokenForm(url, query, this.login.token)
        : tokenQuery(url, query, this.login)),
      insecure,
      signal,
    });
    const body = Buffer.from(await response.body.arrayBuffer());
    if (response.statusCode === 401 || response.statusCode === 403) {
      throw new NodeletError('denied', `the token service ${url.host} refuses the login`, {
        field: 'auth',
        remedy: 'check the credentials',
      });
    }
    const token = response.statusCode === 200 ? tokenIn(body) : undefined;
    if (token !== undefined) return token;
    throw registryUnavailable(
      `the token service ${url.host} answered ${response.statusCode} without a token`,
      { remedy: 'pull again later' },
    );
  }
}

function tokenQuery(url: URL, query: Record<string, string>, login: RegistryLogin | undefined) {
  const target = new URL(url);
  for (const [key, value] of Object.entries(query)) target.searchParams.set(key, value);
  const headers: Record<string, string> = login?.kind === 'password' ? { authorization: basic(login) } : {};
  return { url: target.href, headers };
}

/** OAuth 2's refresh (RFC 6749 section 6) in the distribution project's form. */
function tokenForm(url: URL, query: Record<string, string>, refreshToken: string) {
  const form = { ...query, grant_type: 'refresh_token', client_id: 'nodelet', refresh_token: refreshToken };
  return {
    url: url.href,
    method: 'POST' as const,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  };
}

function tokenIn(body: Buffer): string | undefined {
  if (body.length > tokenMaxBytes) return undefined;
  try {
    const answer = JSON.parse(body.toString('utf8')) as { token?: unknown; access_token?: unknown } | null;
    const token = answer?.token ?? answer?.access_token;
    return typeof token === 'string' && token !== '' ? token : undefined;
  } catch {
    return undefined;
  }
}

const parameter = (challenge: string, name: string): string | undefined =>
  new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(challenge)?.[1];

const basic = ({ username, password }: { username: string; password: string }): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

const unusable = (why: string): NodeletError =>
  new NodeletError('denied', `the registry's challenge ${why}`, {
    field: 'auth',
    remedy: "check the registry's address and configuration",
  });
