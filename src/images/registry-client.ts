import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { NodeletError } from '../base/errors.js';
import type { AuthConfig } from '../ports/cri/messages.js';
import type { RegistryConfig } from '../spec/node-config.js';
import type { ImageReference } from './reference.js';

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { architecture: string; os: string };
}

export interface ImageManifest {
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
  manifests?: Descriptor[];
}

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

/** One registry as one pull sees it: distribution-spec's pull part, with basic and bearer authorization. */
export class RegistryClient {
  private authorization: string | undefined;
  private readonly base: string;

  constructor(
    private readonly reference: ImageReference,
    private readonly parts: { auth: AuthConfig | null; registries: RegistryConfig[]; signal: AbortSignal },
  ) {
    const { registry } = reference;
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    const loopback = /^(127\.|localhost(:|$)|\[::1\])/.test(host);
    const insecure = parts.registries.find((entry) => entry.host === registry)?.insecure ?? false;
    this.base = `${loopback || insecure ? 'http' : 'https'}://${host}/v2/${reference.repository}`;
    if (parts.auth?.registry_token) this.authorization = `Bearer ${parts.auth.registry_token}`;
  }

  /** The manifest's bytes, verified against the digest where the reference has one. */
  async manifest(which: string): Promise<{ manifest: ImageManifest; digest: string }> {
    const response = await this.get(`/manifests/${which}`, { accept: manifestTypes.join(', ') });
    const bytes = Buffer.from(await response.arrayBuffer());
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (which.startsWith('sha256:') && which !== digest) throw mismatch('manifest', which, digest);
    return { manifest: JSON.parse(bytes.toString('utf8')) as ImageManifest, digest };
  }

  /** Downloads a blob to `file`, refusing it when its digest or size isn't the descriptor's. */
  async blob(descriptor: Descriptor, file: string): Promise<void> {
    const response = await this.get(`/blobs/${descriptor.digest}`, {});
    const hash = createHash('sha256');
    let bytes = 0;
    const measure = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        hash.update(chunk);
        done(bytes > descriptor.size ? mismatch('blob', descriptor.digest, 'more bytes') : null, chunk);
      },
    });
    if (response.body === null) throw mismatch('blob', descriptor.digest, 'nothing');
    await pipeline(Readable.fromWeb(response.body as never), measure, fs.createWriteStream(file), {
      signal: this.parts.signal,
    });
    const digest = `sha256:${hash.digest('hex')}`;
    if (digest !== descriptor.digest) throw mismatch('blob', descriptor.digest, digest);
  }

  private async get(path: string, headers: Record<string, string>): Promise<Response> {
    let response = await this.send(path, headers);
    if (response.status === 401 && (await this.authorize(response.headers.get('www-authenticate') ?? ''))) {
      response = await this.send(path, headers);
    }
    if (response.ok) return response;
    await response.body?.cancel();
    const { registry, repository } = this.reference;
    if (response.status === 404) {
      throw new NodeletError('not-found', `${registry} has no ${repository} with ${path.split('/').at(-1)}`, {
        field: 'image.image',
        remedy: 'check the name and the tag',
      });
    }
    if (response.status === 401 || response.status === 403) {
      throw new NodeletError('denied', `${registry} refuses access to ${repository}`, {
        field: 'auth',
        remedy: 'give credentials that may pull it',
      });
    }
    throw new NodeletError('unavailable', `${registry} answered ${response.status}`);
  }

  private async send(path: string, headers: Record<string, string>): Promise<Response> {
    const authorization = this.authorization === undefined ? {} : { authorization: this.authorization };
    try {
      return await fetch(`${this.base}${path}`, {
        headers: { ...headers, ...authorization },
        signal: this.parts.signal,
      });
    } catch (thrown) {
      if (this.parts.signal.aborted) throw this.parts.signal.reason;
      const cause = (thrown as Error).cause as Error | undefined;
      throw new NodeletError(
        'unavailable',
        `registry ${this.reference.registry}: ${cause?.message ?? String(thrown)}`,
        {
          remedy: 'check that it runs and can be reached',
          cause: thrown,
        },
      );
    }
  }

  /** Follows a 401's challenge, RFC 7235 and Docker's token flow; false when there is nothing to try. */
  private async authorize(challenge: string): Promise<boolean> {
    if (this.authorization !== undefined) return false;
    const { auth } = this.parts;
    const plain = auth?.username ? `${auth.username}:${auth.password}` : undefined;
    const encoded = auth?.auth || (plain === undefined ? undefined : Buffer.from(plain).toString('base64'));
    const basic = encoded === undefined ? undefined : `Basic ${encoded}`;
    if (/^basic/i.test(challenge)) {
      this.authorization = basic;
      return basic !== undefined;
    }
    const fields = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
    );
    const [realm, service] = [fields.get('realm'), fields.get('service')];
    if (!/^bearer/i.test(challenge) || realm === undefined) return false;
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.set('scope', `repository:${this.reference.repository}:pull`);
    const response = await fetch(url, {
      headers: basic === undefined ? {} : { authorization: basic },
      signal: this.parts.signal,
    });
    if (!response.ok) return false;
    const token = (await response.json()) as { token?: string; access_token?: string };
    this.authorization = `Bearer ${token.token ?? token.access_token ?? ''}`;
    return true;
  }
}

function mismatch(what: string, wanted: string, got: string): NodeletError {
  return new NodeletError('corrupt', `the ${what} ${wanted} came as ${got}`, {
    remedy: 'the registry or something on the way to it is damaged; nothing was kept',
  });
}
