import { Agent, interceptors, request } from 'undici';
import type { Dispatcher } from 'undici';
import { abortReason } from '../../base/call-context.js';
import { NodeletError, asNodeletError } from '../../base/errors.js';

export type RegistryResponse = Dispatcher.ResponseData;

export interface RegistryRequest {
  url: string;
  headers: Record<string, string>;
  method?: 'GET' | 'POST';
  body?: string;
  /** Take any certificate: for a registry that the configuration calls insecure. */
  insecure: boolean;
  signal: AbortSignal;
}

const connectTimeoutMs = 15_000;
/** A registry that sends nothing for this long counts as down. */
const stallTimeoutMs = 60_000;
const redirectsMax = 5;

/** HTTP to registries, with pooled connections. An authorization isn't carried along when a redirect leads to another host. */
export class RegistryTransport {
  private readonly agents = new Map<boolean, Agent>();

  constructor(private readonly stallMs = stallTimeoutMs) {}

  /** The response, whatever its status; `unavailable` when the registry can't be reached or is silent. */
  async send({
    url,
    headers,
    method = 'GET',
    body,
    insecure,
    signal,
  }: RegistryRequest): Promise<RegistryResponse> {
    const dispatcher = this.agent(insecure).compose(interceptors.redirect({ maxRedirections: redirectsMax }));
    try {
      return await request(url, { dispatcher, method, headers, body: body ?? null, signal });
    } catch (thrown) {
      throw transportError(thrown, new URL(url).host, signal);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.destroy()));
  }

  private agent(insecure: boolean): Agent {
    const known = this.agents.get(insecure);
    if (known !== undefined) return known;
    const agent = new Agent({
      connect: { timeout: connectTimeoutMs, rejectUnauthorized: !insecure },
      headersTimeout: this.stallMs,
      bodyTimeout: this.stallMs,
    });
    this.agents.set(insecure, agent);
    return agent;
  }
}

/** What broke a transfer, told by its kind: the caller, the network, or this machine's disk. */
export function transportError(thrown: unknown, host: string, signal: AbortSignal): NodeletError {
  if (thrown instanceof NodeletError) return thrown;
  if (signal.aborted) return abortReason(signal);
  const error = thrown as NodeJS.ErrnoException;
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
    return new NodeletError('exhausted', 'the disk of the image store is full', {
      remedy: 'remove images that are not needed, or make room below rootDir',
      cause: thrown,
    });
  }
  if (error.code?.startsWith('Z_') === true) {
    return new NodeletError('corrupt', `the layer's compression is broken: ${error.message}`, {
      field: 'manifest.layers',
      remedy: 'push the image again; nothing of it was kept',
      cause: thrown,
    });
  }
  // Without a code it comes from no system: it is a mistake of ours.
  if (error.code === undefined) return asNodeletError(thrown);
  if (error.path !== undefined || error.code === 'EIO' || error.code === 'EROFS') {
    return new NodeletError('tool-failed', `the image store can't be written: ${error.message}`, {
      remedy: 'check the disk that holds rootDir',
      cause: thrown,
    });
  }
  // Several addresses were tried and each has its own reason.
  const reasons = thrown instanceof AggregateError ? (thrown.errors as Error[]) : [error];
  const distrusted = certificateErrors.test(error.code);
  return registryUnavailable(`registry ${host}: ${reasons.map(({ message }) => message).join('; ')}`, {
    remedy: distrusted
      ? "add the registry's CA to the node (NODE_EXTRA_CA_CERTS), or list it as insecure in the configuration"
      : 'check that the registry runs and can be reached, then pull again',
    cause: thrown,
  });
}

/** OpenSSL's and Node's names of what can be wrong with a certificate. */
const certificateErrors = /CERT|^ERR_TLS|^UNABLE_TO_VERIFY|^HOSTNAME_MISMATCH$/;

/**
 * A pull that fails for what is beyond this node and may go well later. The message begins with the word by which CRI's clients
 * know the case; no field of the request is at fault.
 */
export function registryUnavailable(why: string, detail: { remedy: string; cause?: unknown }): NodeletError {
  return new NodeletError('unavailable', `RegistryUnavailable: ${why}`, detail);
}
