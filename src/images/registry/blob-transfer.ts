import { NodeletError } from '../../base/errors.js';
import { hashFor } from '../digest.js';
import type { Descriptor } from '../manifest.js';
import { brokenOff, transportError } from './failures.js';
import type { Source, SourceRotation } from './source-rotation.js';
import type { RegistryResponse } from './transport.js';

export interface BlobTransferParts {
  /** What errors call it: `config`, `layer`. */
  part: string;
  descriptor: Descriptor;
  rotation: SourceRotation;
  signal: AbortSignal;
  onBytes: (bytes: number) => void;
  /** The bytes are not those that were asked for: who has sent some of them. */
  onDamaged: (senders: ReadonlySet<Source>) => void;
}

/** So much in one connection counts as progress: a source that breaks off sooner, again and again, is given up. */
const progressBytes = 32 * 1024;

/**
 * One blob as a stream of its bytes, whole and in order, however often a connection breaks: each further one goes on where the
 * last has stopped, at the same source or at another (RFC 9110 section 14). Never more than the descriptor says comes out. The last
 * chunk is followed by the check of the digest, so who uses the bytes keeps nothing until the stream has ended.
 */
export class BlobTransfer {
  private readonly senders = new Set<Source>();
  /** Sources that don't know what a range is. */
  private readonly withoutRanges = new Set<Source>();
  private readonly entityTags = new Map<Source, string>();
  private offset = 0;

  constructor(private readonly parts: BlobTransferParts) {}

  async *chunks(): AsyncGenerator<Buffer, void, undefined> {
    const { descriptor, rotation, signal, part } = this.parts;
    const hash = hashFor(descriptor.digest);
    while (this.offset < descriptor.sizeBytes) {
      try {
        for await (const chunk of this.connection(rotation.current)) {
          hash.update(chunk);
          yield chunk;
        }
      } catch (thrown) {
        // What breaks behind the last byte takes nothing away, unless there is more than there should be.
        if (this.offset === descriptor.sizeBytes && !(thrown instanceof NodeletError)) break;
        await rotation.failed(transportError(thrown, rotation.current.name, signal), signal);
      }
    }
    const digest = `${descriptor.digest.split(':')[0] ?? ''}:${hash.digest('hex')}`;
    if (digest === descriptor.digest) return;
    this.parts.onDamaged(this.senders);
    throw mismatch(part, descriptor.digest, digest);
  }

  /** What one connection brings, from the first byte that is missing. */
  private async *connection(source: Source): AsyncGenerator<Buffer, void, undefined> {
    const { descriptor, part, rotation, onBytes } = this.parts;
    const { statusCode, headers, body, skip } = await this.open(source);
    let [toSkip, here] = [skip, 0];
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const rest = chunk.subarray(Math.min(toSkip, chunk.length));
      toSkip -= chunk.length - rest.length;
      if (this.offset + rest.length > descriptor.sizeBytes) throw wrongSize(part, descriptor, 'more');
      if (rest.length === 0) continue;
      this.senders.add(source);
      this.offset += rest.length;
      here += rest.length;
      onBytes(rest.length);
      if (here >= progressBytes) rotation.progressed();
      yield rest;
    }
    if (this.offset === descriptor.sizeBytes) return;
    // With a length the registry has said itself that this is all there is; a range may be a part of what was asked for.
    if (statusCode === 200 && headers['content-length'] !== undefined)
      throw wrongSize(part, descriptor, 'fewer');
    throw brokenOff(
      source.name,
      `the ${part} broke off after ${this.offset} of ${descriptor.sizeBytes} bytes`,
    );
  }

  private async open(source: Source): Promise<RegistryResponse & { skip: number }> {
    const { descriptor, part, signal } = this.parts;
    const { offset } = this;
    const wantsRange = offset > 0 && !this.withoutRanges.has(source);
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    const entityTag = this.entityTags.get(source);
    if (wantsRange) headers['range'] = `bytes=${offset}-`;
    if (wantsRange && entityTag !== undefined) headers['if-range'] = entityTag;
    const request = { method: 'GET' as const, path: `/blobs/${descriptor.digest}`, headers, signal };
    const response = await source.request(request, wantsRange ? [200, 206, 416] : [200]);
    if (response.statusCode === 200) {
      const { etag } = response.headers;
      // A weak tag says nothing of the bytes.
      if (typeof etag === 'string' && etag.startsWith('"')) this.entityTags.set(source, etag);
      return { ...response, skip: offset };
    }
    if (response.statusCode === 206 && isRangeFrom(response, descriptor.sizeBytes, offset)) {
      return { ...response, skip: 0 };
    }
    await response.body.dump().catch(() => undefined);
    if (response.statusCode === 416) throw wrongSize(part, descriptor, 'fewer');
    this.withoutRanges.add(source);
    throw brokenOff(source.name, `another range of the ${part} came than was asked for`);
  }
}

function isRangeFrom({ headers }: RegistryResponse, sizeBytes: number, offset: number): boolean {
  const form = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec([headers['content-range'] ?? ''].flat()[0] ?? '');
  if (form === null) return false;
  const [, first, last, total] = form;
  return (
    Number(first) === offset && Number(last) < sizeBytes && (total === '*' || Number(total) === sizeBytes)
  );
}

const damaged = 'push the image again, or check what is between here and the registry; nothing was kept';

export const mismatch = (part: string, wanted: string, got: string): NodeletError =>
  new NodeletError('corrupt', `the ${part} ${wanted} came as ${got}`, { field: part, remedy: damaged });

const wrongSize = (part: string, { digest, sizeBytes }: Descriptor, than: 'more' | 'fewer'): NodeletError =>
  new NodeletError(
    'corrupt',
    `the ${part} ${digest} has ${than} bytes than the ${sizeBytes} it should have`,
    {
      field: part,
      remedy: damaged,
    },
  );
