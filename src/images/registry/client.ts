import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { NodeletError } from '../../base/errors.js';
import type { RegistryConfig } from '../../spec/config/node-config.js';
import type { Descriptor } from '../manifest.js';
import { indexTypes, manifestTypes } from '../manifest.js';
import type { ImageReference } from '../reference.js';
import { RegistryAuthorization } from './authorization.js';
import type { RegistryLogin } from './login.js';
import type { RegistryResponse, RegistryTransport } from './transport.js';
import { registryUnavailable, transportError } from './transport.js';

/** Manifests and configs are read into memory: a registry that sends more is refused. */
const documentMaxBytes = 4 * 1024 * 1024;

export interface RegistryClientParts {
  transport: RegistryTransport;
  registries: readonly RegistryConfig[];
  login: RegistryLogin | undefined;
}

/** One repository as one pull sees it: distribution-spec's pull part. All that it returns was checked against its digest. */
export class RegistryClient {
  private readonly authorization: RegistryAuthorization;
  private readonly insecure: boolean;
  /** Base addresses to try, in order; one is left once it has answered. */
  private bases: string[];
  /** Bytes of bodies that came so far. */
  receivedBytes = 0;

  constructor(
    private readonly reference: ImageReference,
    private readonly parts: RegistryClientParts,
  ) {
    const { registry, repository } = reference;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?$/.test(host);
    this.insecure = parts.registries.find((entry) => entry.host === registry)?.insecure ?? false;
    const schemes = this.insecure ? ['https', 'http'] : loopback ? ['http'] : ['https'];
    this.bases = schemes.map((scheme) => `${scheme}://${host}/v2/${repository}`);
    this.authorization = new RegistryAuthorization(
      parts.transport,
      parts.login,
      `repository:${repository}:pull`,
    );
  }

  /** A manifest or index by tag or digest. */
  async manifest(which: string, signal: AbortSignal): Promise<{ bytes: Buffer; digest: string }> {
    const accept = [...manifestTypes, ...indexTypes].join(', ');
    const bytes = await this.document('manifest', `/manifests/${which}`, { accept }, signal);
    const digest = sha256(bytes);
    if (which.startsWith('sha256:') && which !== digest) throw mismatch('manifest', which, digest);
    return { bytes, digest };
  }

  /** A small blob, in memory. */
  async smallBlob(part: string, descriptor: Descriptor, signal: AbortSignal): Promise<Buffer> {
    const bytes = await this.document(part, `/blobs/${descriptor.digest}`, {}, signal);
    if (bytes.length !== descriptor.sizeBytes) throw wrongSize(part, descriptor, bytes.length);
    const digest = sha256(bytes);
    if (digest !== descriptor.digest) throw mismatch(part, descriptor.digest, digest);
    return bytes;
  }

  /** Downloads a blob to `file`. */
  async blob(part: string, descriptor: Descriptor, file: string, signal: AbortSignal): Promise<void> {
    const { body, host } = await this.get(`/blobs/${descriptor.digest}`, {}, signal);
    const hash = createHash('sha256');
    let bytes = 0;
    const measure = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        this.receivedBytes += chunk.length;
        hash.update(chunk);
        done(bytes > descriptor.sizeBytes ? wrongSize(part, descriptor, bytes) : null, chunk);
      },
    });
    try {
      await pipeline(body, measure, fs.createWriteStream(file), { signal });
    } catch (thrown) {
      throw transportError(thrown, host, signal);
    }
    if (bytes !== descriptor.sizeBytes) throw wrongSize(part, descriptor, bytes);
    const digest = `sha256:${hash.digest('hex')}`;
    if (digest !== descriptor.digest) throw mismatch(part, descriptor.digest, digest);
  }

  private async document(
    part: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const { body, host } = await this.get(path, headers, signal);
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.receivedBytes += chunk.length;
        // Leaving the loop closes the connection.
        if (bytes > documentMaxBytes) throw tooLarge(part);
        chunks.push(chunk);
      }
    } catch (thrown) {
      throw transportError(thrown, host, signal);
    }
    return Buffer.concat(chunks);
  }

  private async get(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ body: Readable; host: string }> {
    let response = await this.send(path, headers, signal);
    if (response.statusCode === 401) {
      const challenge = [response.headers['www-authenticate'] ?? ''].flat().join(', ');
      await response.body.dump();
      const secure = this.bases[0]?.startsWith('https:') === true;
      if (await this.authorization.answer(challenge, { secure, insecure: this.insecure, signal })) {
        response = await this.send(path, headers, signal);
      }
    }
    if (response.statusCode === 200) return { body: response.body, host: this.reference.registry };
    await response.body.dump().catch(() => undefined);
    throw this.refusal(response.statusCode, path);
  }

  private async send(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<RegistryResponse> {
    const { insecure } = this;
    for (;;) {
      const base = this.bases[0] ?? '';
      try {
        const authorized = { ...headers, ...this.authorization.headers };
        const response = await this.parts.transport.send({
          url: `${base}${path}`,
          headers: authorized,
          insecure,
          signal,
        });
        this.bases = [base];
        return response;
      } catch (thrown) {
        if (signal.aborted || this.bases.length < 2) throw thrown;
        this.bases = this.bases.slice(1);
      }
    }
  }

  private refusal(statusCode: number, path: string): NodeletError {
    const { registry, repository } = this.reference;
    const what = path.split('/').at(-1) ?? '';
    const field = 'image.image';
    if (statusCode === 404) {
      return new NodeletError('not-found', `${registry} has no ${repository} with ${what}`, {
        field,
        remedy: 'check the name and the tag',
      });
    }
    if (statusCode === 401 || statusCode === 403) return this.authorization.refusal(this.reference);
    if (statusCode === 429) {
      return new NodeletError('exhausted', `${registry} allows no more requests for now`, {
        field,
        remedy: 'wait, or give credentials with a higher limit',
      });
    }
    return registryUnavailable(`${registry} answered ${statusCode} for ${repository}`, {
      remedy: "see the registry's own log, then pull again",
    });
  }
}

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const damaged = 'push the image again, or check what is between here and the registry; nothing was kept';

const mismatch = (part: string, wanted: string, got: string): NodeletError =>
  new NodeletError('corrupt', `the ${part} ${wanted} came as ${got}`, { field: part, remedy: damaged });

const wrongSize = (part: string, { digest, sizeBytes }: Descriptor, got: number): NodeletError =>
  new NodeletError('corrupt', `the ${part} ${digest} has ${got} bytes or more, not ${sizeBytes}`, {
    field: part,
    remedy: damaged,
  });

const tooLarge = (part: string): NodeletError =>
  new NodeletError('exhausted', `the ${part} is larger than ${documentMaxBytes} bytes`, {
    field: part,
    remedy: 'name a container image',
  });
