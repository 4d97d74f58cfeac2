import { asNodeletError } from '../base/errors.js';
import { resolveImage } from './image-resolve.js';
import type { Platform } from './platform.js';
import { textOf } from './platform.js';
import type { ImageReference } from './reference.js';
import { canonicalText } from './reference.js';
import type { Registries } from './registry/registries.js';
import type { RegistrySource } from './registry/source.js';

/** One source of a reference: how it is spoken to, and whether it has the image now. */
export interface SourceReport {
  host: string;
  isMirror: boolean;
  /** Addresses that are tried, the one that answers first counts. */
  addresses: string[];
  /** `verified`, `any`; undefined for plain http. */
  certificate?: 'verified' | 'any';
  ca?: string;
  clientCert?: string;
  /** Where the login would be taken from; `none`. */
  login: string;
  /** Of the index or manifest that the reference means there. */
  digest?: string;
  /** Of the image that this machine would run: `linux/amd64`. */
  platform?: string;
  /** Why it couldn't be pulled from there. */
  error?: string;
}

/** What `nodelet image resolve` shows. */
export interface ResolveReport {
  /** The reference, written out. */
  reference: string;
  /** What is wrong with the registries file; the last good one is in force then. */
  registriesProblem?: string;
  /** In the order in which a pull tries them. */
  sources: SourceReport[];
}

/** Tries each source of a reference as a pull would, once and without the others. */
export async function reportSources(
  reference: ImageReference,
  { registries, machine, signal }: { registries: Registries; machine: Platform; signal: AbortSignal },
): Promise<ResolveReport> {
  const sources = await registries.sources(reference, undefined);
  const problem = await registries.problem();
  const trials = sources.map((source) => tryOne(source, reference, { registries, machine, signal }));
  return {
    reference: canonicalText(reference),
    ...(problem !== undefined && { registriesProblem: problem.describe() }),
    sources: await Promise.all(trials),
  };
}

async function tryOne(
  source: RegistrySource,
  reference: ImageReference,
  { registries, machine, signal }: { registries: Registries; machine: Platform; signal: AbortSignal },
): Promise<SourceReport> {
  const { host, isMirror, bases, skipVerify, settings } = source.plan;
  const isSecure = bases.some((base) => base.startsWith('https:'));
  const told = {
    host,
    isMirror,
    addresses: bases,
    ...(isSecure && { certificate: skipVerify ? ('any' as const) : ('verified' as const) }),
    ...(settings.ca !== undefined && { ca: settings.ca }),
    ...(settings.clientCert !== undefined && { clientCert: settings.clientCert }),
  };
  const login = await source.findLogin(signal).then(
    ({ from }) => from,
    (thrown: unknown) => asNodeletError(thrown).describe(),
  );
  try {
    const client = registries.clientOf([source], { patience: { attempts: 1, connectAttempts: 1 } });
    const { digest, config } = await resolveImage(reference, { client, machine, signal });
    return { ...told, login, digest, platform: textOf(config.platform) };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return { ...told, login, error: asNodeletError(thrown).describe() };
  }
}
