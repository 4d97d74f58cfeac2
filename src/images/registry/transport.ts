import { createHash } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { Agent, EnvHttpProxyAgent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { NodeletError } from '../../base/errors.js';
import { registryUnavailable, transportError } from './failures.js';

export type RegistryResponse = Dispatcher.ResponseData;

/** How a connection is made: PEM texts, and whether any certificate of the server is taken. */
export interface ConnectionSettings {
  skipVerify: boolean;
  ca?: string;
  /** Shown to no other host than the one that was asked for. */
  client?: { cert: string; key: string };
}

export interface RegistryRequest {
  url: string;
  headers: Record<string, string>;
  method?: 'GET' | 'HEAD' | 'POST';
  body?: string;
  connection: ConnectionSettings;
  signal: AbortSignal;
}

/** Proxies as an environment names them (HTTP_PROXY, HTTPS_PROXY, NO_PROXY); undefined: none. */
export interface ProxySettings {
  httpProxy: string | undefined;
  httpsProxy: string | undefined;
  noProxy: string | undefined;
}

const connectTimeoutMs = 15_000;
const redirectsMax = 5;
const redirectStatuses = [301, 302, 303, 307, 308];
/** A proxy is never asked for this machine itself. */
const neverProxied = 'localhost,127.0.0.1,[::1]';

/** HTTP to registries, with pooled connections. Neither an authorization nor a client certificate goes along when a redirect leads to another host. */
export class RegistryTransport {
  private readonly agents = new Map<string, Dispatcher>();

  constructor(private readonly options: { stallMs: number; proxies?: ProxySettings | undefined }) {}

  /** The response, whatever its status; `unavailable` when the registry can't be reached or is silent. */
  async send({
    url,
    headers,
    method = 'GET',
    body,
    connection,
    signal,
  }: RegistryRequest): Promise<RegistryResponse> {
    let at = { url, headers, connection };
    for (let redirects = 0; ; redirects += 1) {
      const response = await this.exchange({ ...at, method, body: body ?? null }, signal);
      const target = method === 'POST' ? undefined : redirectOf(response, at.url);
      if (target === undefined) return response;
      await response.body.dump().catch(() => undefined);
      if (redirects === redirectsMax) throw tooManyRedirects(url);
      at = { ...at, url: target.href, ...(target.origin !== new URL(at.url).origin && withoutSecrets(at)) };
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.destroy()));
  }

  private async exchange(
    { url, connection, ...rest }: Pick<RegistryRequest, 'url' | 'connection'> & ExchangeOptions,
    signal: AbortSignal,
  ): Promise<RegistryResponse> {
    try {
      return await request(url, { dispatcher: this.agent(connection), ...rest, signal });
    } catch (thrown) {
      throw transportError(thrown, new URL(url).host, signal);
    }
  }

  private agent(connection: ConnectionSettings): Dispatcher {
    const key = createHash('sha256').update(JSON.stringify(connection)).digest('hex');
    const agent = this.agents.get(key) ?? this.newAgent(connection);
    this.agents.set(key, agent);
    return agent;
  }

  private newAgent({ skipVerify, ca, client }: ConnectionSettings): Dispatcher {
    const { stallMs, proxies } = this.options;
    const tls = {
      rejectUnauthorized: !skipVerify,
      ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
      ...client,
    };
    const options = {
      connect: { timeout: connectTimeoutMs, ...tls },
      headersTimeout: stallMs,
      bodyTimeout: stallMs,
    };
    const { httpProxy, httpsProxy, noProxy } = proxies ?? {};
    if (httpProxy === undefined && httpsProxy === undefined) return new Agent(options);
    return new EnvHttpProxyAgent({
      ...options,
      httpProxy: httpProxy ?? '',
      httpsProxy: httpsProxy ?? '',
      noProxy: noProxy === undefined ? neverProxied : `${noProxy},${neverProxied}`,
      requestTls: tls,
      proxyTunnel: false,
    });
  }
}

interface ExchangeOptions {
  headers: Record<string, string>;
  method: 'GET' | 'HEAD' | 'POST';
  body: string | null;
}

/** Where an answer leads on to; undefined for one that is to be taken as it is. */
function redirectOf({ statusCode, headers }: RegistryResponse, from: string): URL | undefined {
  const { location } = headers;
  if (!redirectStatuses.includes(statusCode) || typeof location !== 'string') return undefined;
  if (!URL.canParse(location, from)) return undefined;
  const target = new URL(location, from);
  return /^https?:$/.test(target.protocol) ? target : undefined;
}

function withoutSecrets({ headers, connection }: Pick<RegistryRequest, 'headers' | 'connection'>) {
  const { authorization: _secret, ...rest } = headers;
  const { client: _identity, ...anonymous } = connection;
  return { headers: rest, connection: anonymous };
}

const tooManyRedirects = (url: string): NodeletError =>
  registryUnavailable(`registry ${new URL(url).host} redirects more than ${redirectsMax} times`, {
    remedy: "check the registry's configuration",
  });

/** A whole body, in memory; undefined when it is larger than `maxBytes`, and then the connection is closed. */
export async function bytesOf(
  body: AsyncIterable<Buffer>,
  maxBytes: number,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    onBytes(chunk.length);
    // Leaving the loop closes the connection.
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
