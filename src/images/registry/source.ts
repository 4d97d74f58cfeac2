import { NodeletError } from '../../base/errors.js';
import type { Host } from '../../ports/host.js';
import { RegistryAuthorization } from './authorization.js';
import { findLogin } from './credentials.js';
import { busyError } from './failures.js';
import type { FoundLogin, RequestLogin } from './login.js';
import type { SourcePlan } from './source-plan.js';
import type { Source, SourceRequest } from './source-rotation.js';
import type { TokenCache } from './token-cache.js';
import type { ConnectionSettings, RegistryResponse, RegistryTransport } from './transport.js';

export interface SourceParts {
  transport: RegistryTransport;
  tokens: TokenCache;
  dockerConfig: string;
  /** Of the pull's request. */
  login: RequestLogin | undefined;
  host: Pick<Host, 'files' | 'processes' | 'clock'>;
}

/** One registry or mirror during one pull: connection, login and what it answers. */
export class RegistrySource implements Source {
  private readonly authorization: RegistryAuthorization;
  /** The base that has answered. */
  private base: string | undefined;
  private connection: Promise<ConnectionSettings> | undefined;

  constructor(
    readonly plan: SourcePlan,
    private readonly parts: SourceParts,
  ) {
    this.authorization = new RegistryAuthorization({
      ...parts,
      scope: `repository:${plan.repository}:pull`,
      login: (signal) => this.findLogin(signal),
      nowMs: () => this.nowMs,
    });
  }

  get name(): string {
    return this.plan.isMirror ? `mirror ${this.plan.host}` : this.plan.host;
  }

  /** The login that it would get, and where it is from. */
  findLogin(signal: AbortSignal): Promise<FoundLogin> {
    const { plan, parts } = this;
    return findLogin(
      { ...plan, configured: plan.settings.auth, request: parts.login, signal },
      { dockerConfig: parts.dockerConfig, host: parts.host },
    );
  }

  /** The address that has answered; before that the first that is tried. */
  get address(): string {
    return this.base ?? this.plan.bases[0] ?? '';
  }

  /** An answer of a status in `wanted`; otherwise the error that it stands for. */
  async request(request: SourceRequest, wanted: readonly number[]): Promise<RegistryResponse> {
    let last: 'new' | 'known' | undefined;
    for (let known = 0; ;) {
      const { shown } = this.authorization;
      const response = await this.send(request, shown);
      const { statusCode, headers } = response;
      if (wanted.includes(statusCode)) return response;
      await response.body.dump().catch(() => undefined);
      if (statusCode !== 401 || last === 'new' || known > knownAnswersMax) {
        throw await this.refusal(request, response);
      }
      last = await this.authorization.answer([headers['www-authenticate'] ?? []].flat(), shown, {
        secure: this.address.startsWith('https:'),
        host: this.plan.host,
        connection: await this.connectionSettings(),
        signal: request.signal,
      });
      if (last === undefined) throw await this.refusal(request, response);
      if (last === 'known') known += 1;
    }
  }

  private async send(
    { method, path, headers, signal }: SourceRequest,
    shown?: string,
  ): Promise<RegistryResponse> {
    const connection = await this.connectionSettings();
    const authorized = shown === undefined ? headers : { ...headers, authorization: shown };
    const { bases, query } = this.plan;
    const candidates = this.base === undefined ? bases : [this.base];
    let failure: unknown;
    for (const base of candidates) {
      try {
        const url = `${base}${path}${query}`;
        const response = await this.parts.transport.send({
          url,
          method,
          headers: authorized,
          connection,
          signal,
        });
        this.base = base;
        return response;
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        failure = thrown;
      }
    }
    throw failure;
  }

  /** Read once for a pull, so that certificates may be renewed at any time. */
  private connectionSettings(): Promise<ConnectionSettings> {
    return (this.connection ??= this.readConnection());
  }

  private async readConnection(): Promise<ConnectionSettings> {
    const { ca, clientCert, clientKey } = this.plan.settings;
    const read = async (field: string, file: string): Promise<string> => {
      const content = await this.parts.host.files.read(file);
      if (content !== undefined) return content.toString('utf8');
      throw new NodeletError(
        'not-found',
        `there is no file ${file}, which is to be used for ${this.plan.host}`,
        {
          field: `registries.${field}`,
          remedy: 'put it there, or mend the registries file',
        },
      );
    };
    const both = clientCert !== undefined && clientKey !== undefined;
    return {
      skipVerify: this.plan.skipVerify,
      ...(ca !== undefined && { ca: await read('ca', ca) }),
      ...(both && {
        client: { cert: await read('clientCert', clientCert), key: await read('clientKey', clientKey) },
      }),
    };
  }

  private async refusal(
    { path, signal }: SourceRequest,
    { statusCode, headers }: RegistryResponse,
  ): Promise<NodeletError> {
    const { host, repository } = this.plan;
    const what = path.split('/').at(-1) ?? '';
    if (statusCode === 404) {
      return new NodeletError('not-found', `${host} has no ${repository} with ${what}`, {
        field: 'image.image',
        remedy: 'check the name and the tag',
      });
    }
    if (statusCode === 401 || statusCode === 403) return this.authorization.refusal(this.plan, signal);
    const retryAfter = [headers['retry-after'] ?? []].flat()[0];
    const busy = busyError(host, { statusCode, retryAfter, nowMs: this.nowMs });
    return (
      busy ??
      new NodeletError(
        'unavailable',
        `RegistryUnavailable: ${host} answered ${statusCode} for ${repository}`,
        {
          remedy: "see the registry's own log, then pull again",
        },
      )
    );
  }

  private get nowMs(): number {
    return Number(this.parts.host.clock.nowNs() / 1_000_000n);
  }
}

/** How often what is known of earlier is shown before a registry counts as refusing. */
const knownAnswersMax = 2;
