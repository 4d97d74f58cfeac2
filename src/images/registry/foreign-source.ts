import { NodeletError } from '../../base/errors.js';
import { busyError } from './failures.js';
import type { Source, SourceRequest } from './source-rotation.js';
import type { RegistryResponse, RegistryTransport } from './transport.js';

/** An address that a manifest names for a layer which registries don't keep (image-spec descriptor.md, `urls`). No login is shown there. */
export class ForeignSource implements Source {
  readonly name: string;

  constructor(
    private readonly url: string,
    private readonly transport: RegistryTransport,
  ) {
    this.name = new URL(url).host;
  }

  async request(
    { method, headers, signal }: SourceRequest,
    wanted: readonly number[],
  ): Promise<RegistryResponse> {
    const connection = { skipVerify: false };
    const response = await this.transport.send({ url: this.url, method, headers, connection, signal });
    const { statusCode } = response;
    if (wanted.includes(statusCode)) return response;
    await response.body.dump().catch(() => undefined);
    const busy = busyError(this.name, { statusCode, retryAfter: undefined, nowMs: 0 });
    const remedy = 'use an image whose layers are all in a registry';
    throw (
      busy ??
      new NodeletError('not-found', `${this.url} answered ${statusCode}`, {
        field: 'manifest.layers.urls',
        remedy,
      })
    );
  }
}
