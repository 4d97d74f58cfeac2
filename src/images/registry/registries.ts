import type { Log } from '../../base/call-context.js';
import type { NodeletError } from '../../base/errors.js';
import type { Host } from '../../ports/host.js';
import type { NodeConfig } from '../../spec/config/node-config.js';
import type { PullReport } from '../pull-progress.js';
import type { ImageReference } from '../reference.js';
import { RegistryClient } from './client.js';
import { DownloadSlots } from './download-slots.js';
import type { RequestLogin } from './login.js';
import type { Patience } from './patience.js';
import { usualPatience } from './patience.js';
import { RegistryBook } from './registry-book.js';
import { RegistrySource } from './source.js';
import { planSources } from './source-plan.js';
import { TokenCache } from './token-cache.js';
import type { ProxySettings } from './transport.js';
import { RegistryTransport } from './transport.js';

export interface RegistriesParts {
  config: Pick<NodeConfig, 'registries' | 'registriesFile' | 'dockerConfig' | 'images'>;
  host: Pick<Host, 'files' | 'processes' | 'clock' | 'random'>;
  log: Log;
  patience?: Partial<Patience> | undefined;
  proxies?: ProxySettings | undefined;
}

export interface ClientOptions {
  login?: RequestLogin | undefined;
  report?: PullReport;
  /** Default: the daemon's. */
  patience?: Partial<Patience>;
}

/** All registries as this node knows them: settings, connections and tokens that pulls share. */
export class Registries {
  private readonly book: RegistryBook;
  private readonly transport: RegistryTransport;
  private readonly tokens: TokenCache;
  private readonly slots: DownloadSlots;
  private readonly patience: Patience;

  constructor(private readonly parts: RegistriesParts) {
    const { config, host, log } = parts;
    this.patience = { ...usualPatience, ...parts.patience };
    this.book = new RegistryBook({ config, files: host.files, log });
    this.transport = new RegistryTransport({ stallMs: this.patience.stallMs, proxies: parts.proxies });
    this.tokens = new TokenCache(host.clock);
    this.slots = new DownloadSlots(config.images.maxDownloads);
  }

  start(): Promise<void> {
    return this.book.start();
  }

  async stop(): Promise<void> {
    this.book.stop();
    await this.transport.close();
  }

  /** What is wrong with the registries file as it is now. */
  problem(): Promise<NodeletError | undefined> {
    return this.book.problem();
  }

  /** Where a repository may be fetched from, in order; `denied` for one that is blocked. */
  async sources(reference: ImageReference, login: RequestLogin | undefined): Promise<RegistrySource[]> {
    const { transport, tokens } = this;
    const { config, host } = this.parts;
    const parts = { transport, tokens, dockerConfig: config.dockerConfig, login, host };
    return planSources(reference, await this.book.rules()).map((plan) => new RegistrySource(plan, parts));
  }

  /** A client for one pull, which has its own memory of which source is good. */
  clientOf(sources: readonly RegistrySource[], { report, patience }: ClientOptions = {}): RegistryClient {
    const { transport, slots, parts } = this;
    return new RegistryClient({
      sources,
      transport,
      slots,
      patience: { ...this.patience, ...patience },
      foreignLayers: parts.config.images.foreignLayers,
      host: parts.host,
      ...(report !== undefined && { report }),
    });
  }
}
