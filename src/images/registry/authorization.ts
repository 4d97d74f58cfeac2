import { NodeletError } from '../../base/errors.js';
import { parseChallenges } from './challenge.js';
import { busyError, registryUnavailable } from './failures.js';
import type { FoundLogin, RegistryLogin } from './login.js';
import type { RegistryToken, TokenCache } from './token-cache.js';
import type { ConnectionSettings, RegistryTransport } from './transport.js';
import { bytesOf } from './transport.js';

export interface AuthorizationParts {
  transport: RegistryTransport;
  tokens: TokenCache;
  /** Asked for once a registry wants one: a credential helper is a process. */
  login: (signal: AbortSignal) => Promise<FoundLogin>;
  /** What a token shall allow: `repository:library/nginx:pull`. */
  scope: string;
  nowMs: () => number;
}

/** The connection on which a challenge came. */
export interface ChallengeContext {
  /** Whether it was encrypted. */
  secure: boolean;
  host: string;
  connection: ConnectionSettings;
  signal: AbortSignal;
}

const tokenMaxBytes = 64 * 1024;
/** What a token without a lifetime has, by the token specification. */
const tokenLifetimeS = 60;

/** What a login becomes at one registry by its challenges, RFC 7235 and the distribution project's token flow. */
export class RegistryAuthorization {
  private value: string | undefined;
  private found: Promise<FoundLogin> | undefined;

  constructor(private readonly parts: AuthorizationParts) {}

  /** The value of the header; undefined: none yet. */
  get shown(): string | undefined {
    return this.value;
  }

  /** The login is looked for once, unless that fails. */
  private login(signal: AbortSignal): Promise<FoundLogin> {
    const found = (this.found ??= this.parts.login(signal));
    found.catch(() => (this.found = undefined));
    return found;
  }

  /**
   * Follows the challenge of a 401 to a request that showed `shown`: `new` when there is something that wasn't shown yet,
   * `known` when that is of an earlier time and may have become stale, undefined when there is nothing more to try.
   */
  async answer(
    headers: readonly string[],
    shown: string | undefined,
    context: ChallengeContext,
  ): Promise<'new' | 'known' | undefined> {
    // Another request has met the same challenge meanwhile.
    if (this.value !== shown) return 'known';
    const challenges = parseChallenges(headers);
    const { login } = await this.login(context.signal);
    if (login?.kind === 'bearer') return this.show(`Bearer ${login.token}`, shown);
    const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && 'realm' in parameters);
    if (bearer !== undefined) return this.showToken(bearer.parameters, login, shown, context);
    const wantsBasic = challenges.some(({ scheme }) => scheme === 'basic');
    return wantsBasic && login?.kind === 'password' ? this.show(basic(login), shown) : undefined;
  }

  private show(value: string, shown: string | undefined): 'new' | undefined {
    if (value === shown) return undefined;
    this.value = value;
    return 'new';
  }

  private async showToken(
    { realm = '', service }: Partial<Record<string, string>>,
    login: RegistryLogin | undefined,
    shown: string | undefined,
    context: ChallengeContext,
  ): Promise<'new' | 'known'> {
    const subject = { realm, service, scope: this.parts.scope, login };
    const known = this.parts.tokens.known(subject);
    if (known !== undefined && `Bearer ${known}` !== shown) {
      this.value = `Bearer ${known}`;
      return 'known';
    }
    const token = await this.parts.tokens.fetch(subject, context.signal, (signal) =>
      this.askFor({ ...subject, ...context, signal }),
    );
    this.value = `Bearer ${token}`;
    return 'new';
  }

  /** What to tell of a registry that lets nobody in by what it was shown. */
  async refusal(what: { host: string; repository: string }, signal: AbortSignal): Promise<NodeletError> {
    const { login, elsewhere, from } = await this.login(signal);
    const how =
      login !== undefined
        ? `to this login (from ${from})`
        : elsewhere === undefined
          ? 'without a login'
          : `without a login, and the one given is for ${elsewhere}`;
    return new NodeletError('denied', `${what.host} refuses access to ${what.repository} ${how}`, {
      field: login === undefined && elsewhere !== undefined ? 'auth.server_address' : 'auth',
      remedy: 'check the name, and give credentials that may pull it',
    });
  }

  private async askFor(wanted: TokenWish): Promise<RegistryToken> {
    const { realm, login, secure, connection, host, signal } = wanted;
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw unusable(`names the token service "${realm}"`);
    if (secure && url.protocol !== 'https:' && login !== undefined) {
      throw unusable('wants the login sent to a token service without encryption');
    }
    const { client: _identity, ...anonymous } = connection;
    const response = await this.parts.transport.send({
      ...(login?.kind === 'refresh-token' ? tokenForm(url, wanted, login.token) : tokenQuery(url, wanted)),
      connection: url.host === host ? connection : anonymous,
      signal,
    });
    const body = await bytesOf(response.body, tokenMaxBytes);
    const { statusCode, headers } = response;
    if (statusCode === 401 || statusCode === 403 || (statusCode === 400 && login !== undefined)) {
      throw new NodeletError('denied', `the token service ${url.host} refuses the login`, {
        field: 'auth',
        remedy: 'check the credentials',
      });
    }
    const retryAfter = [headers['retry-after'] ?? []].flat()[0];
    const busy = busyError(`the token service ${url.host}`, {
      statusCode,
      retryAfter,
      nowMs: this.parts.nowMs(),
    });
    if (busy !== undefined) throw busy;
    const token = statusCode === 200 ? tokenIn(body) : undefined;
    if (token !== undefined) return token;
    throw registryUnavailable(`the token service ${url.host} answered ${statusCode} without a token`, {
      remedy: 'pull again later',
    });
  }
}

interface TokenWish extends ChallengeContext {
  realm: string;
  service: string | undefined;
  scope: string;
  login: RegistryLogin | undefined;
}

const queryOf = ({ scope, service }: TokenWish): Record<string, string> => ({
  scope,
  ...(service !== undefined && { service }),
});

function tokenQuery(url: URL, wanted: TokenWish) {
  const target = new URL(url);
  for (const [key, value] of Object.entries(queryOf(wanted))) target.searchParams.set(key, value);
  const { login } = wanted;
  const headers: Record<string, string> = login?.kind === 'password' ? { authorization: basic(login) } : {};
  return { url: target.href, headers };
}

/** OAuth 2's refresh (RFC 6749 section 6) in the distribution project's form. */
function tokenForm(url: URL, wanted: TokenWish, refreshToken: string) {
  const form = {
    ...queryOf(wanted),
    grant_type: 'refresh_token',
    client_id: 'nodelet',
    refresh_token: refreshToken,
  };
  return {
    url: url.href,
    method: 'POST' as const,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  };
}

function tokenIn(body: Buffer | undefined): RegistryToken | undefined {
  if (body === undefined) return undefined;
  try {
    const answer = JSON.parse(body.toString('utf8')) as Partial<Record<string, unknown>> | null;
    const token = answer?.['token'] ?? answer?.['access_token'];
    const seconds = answer?.['expires_in'];
    const lifetimeS = typeof seconds === 'number' && seconds > 0 ? seconds : tokenLifetimeS;
    return typeof token === 'string' && token !== '' ? { token, lifetimeMs: lifetimeS * 1000 } : undefined;
  } catch {
    return undefined;
  }
}

const basic = ({ username, password }: { username: string; password: string }): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

const unusable = (why: string): NodeletError =>
  new NodeletError('denied', `the registry's challenge ${why}`, {
    field: 'auth',
    remedy: "check the registry's address and configuration",
  });
