import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import zlib from 'node:zlib';

export const digestOf = (bytes: Buffer | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** An entry of a hand-made archive: name as it stands there, text of a file or target of a link, extended headers. */
export interface TarEntry {
  name: string;
  text?: string;
  type?: 'file' | 'dir' | 'symlink' | 'link' | 'char';
  target?: string;
  mode?: number;
  pax?: Record<string, string>;
}

const typeFlags = { file: '0', link: '1', symlink: '2', char: '3', dir: '5' };

/** ustar with pax headers, so that hostile names survive that no tar program would write. */
export function tarOf(entries: TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(1024)]);
}

function blocksOf(entry: TarEntry): Buffer[] {
  const { name, text = '', target = '', mode = 0o755, pax } = entry;
  const type = entry.type ?? (name.endsWith('/') ? 'dir' : 'file');
  const own = [headOf({ name, flag: typeFlags[type], target, mode, size: text.length }), bodyOf(text)];
  if (pax === undefined) return own;
  const records = Object.entries(pax).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return `${length}${rest}`;
  });
  const all = records.join('');
  return [headOf({ name: 'pax', flag: 'x', target: '', mode, size: all.length }), bodyOf(all), ...own];
}

function headOf(head: { name: string; flag: string; target: string; mode: number; size: number }): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(head.name, 0);
  block.write(octal(head.mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(head.size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write('        ', 148);
  block.write(head.flag, 156);
  block.write(head.target, 157);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function bodyOf(text: string): Buffer {
  const body = Buffer.alloc(Math.ceil(text.length / 512) * 512);
  body.write(text, 'latin1');
  return body;
}

export interface TestImage {
  config: Buffer;
  manifest: Buffer;
  /** Compressed layers. */
  layers: Buffer[];
}

export interface ImageParts {
  layers: Buffer[];
  config?: object;
  gzip?: boolean;
  /** Changes to the finished manifest. */
  manifest?: (manifest: TestManifest) => unknown;
}

export interface TestManifest {
  schemaVersion: number;
  mediaType: string;
  config: { mediaType: string; digest: string; size: number };
  layers: { mediaType: string; digest: string; size: number }[];
}

/** An image of these archives. */
export function imageOf({
  layers,
  config = {},
  gzip = false,
  manifest = (same) => same,
}: ImageParts): TestImage {
  const blobs = layers.map((layer) => (gzip ? zlib.gzipSync(layer) : layer));
  const configBytes = Buffer.from(
    JSON.stringify({
      os: 'linux',
      config: { Cmd: ['/x'], ...config },
      rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
    }),
  );
  const describe = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const layerType = `application/vnd.oci.image.layer.v1.tar${gzip ? '+gzip' : ''}`;
  const plain: TestManifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: describe('application/vnd.oci.image.config.v1+json', configBytes),
    layers: blobs.map((blob) => describe(layerType, blob)),
  };
  return { config: configBytes, manifest: Buffer.from(JSON.stringify(manifest(plain))), layers: blobs };
}

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A registry on loopback that can be made to misbehave. */
export class RegistryDouble {
  private readonly server = http.createServer((request, response) => this.answer(request, response));
  private readonly blobs = new Map<string, Buffer>();
  /** By `repository:tag` or `repository:digest`. */
  private readonly manifests = new Map<string, Buffer>();
  private readonly handlers: { when: string; handler: Handler }[] = [];
  /** Requests that are not answered yet, and whose client still waits. */
  pending = 0;
  /** Method and path of each request, in order. */
  readonly requests: string[] = [];
  host = '';

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  put(name: string, image: TestImage): void {
    this.putManifest(name, image.manifest);
    for (const blob of [image.config, ...image.layers]) this.blobs.set(digestOf(blob), blob);
  }

  putManifest(name: string, bytes: Buffer): void {
    const repository = name.slice(0, name.lastIndexOf(':'));
    this.manifests.set(name, bytes);
    this.manifests.set(`${repository}:${digestOf(bytes)}`, bytes);
  }

  /** Answers requests whose path contains `when` by `handler` from now on. */
  on(when: string, handler: Handler): void {
    this.handlers.unshift({ when, handler });
  }

  count(part: string): number {
    return this.requests.filter((request) => request.includes(part)).length;
  }

  private answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const path = (request.url ?? '').split('?')[0] ?? '';
    this.requests.push(`${request.method} ${path}`);
    this.pending += 1;
    response.once('close', () => (this.pending -= 1));
    const special = this.handlers.find(({ when }) => path.includes(when));
    if (special !== undefined) special.handler(request, response);
    else this.serve(path, response);
  }

  serve(path: string, response: http.ServerResponse): void {
    const [, repository = '', kind, which = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(path) ?? [];
    const found = kind === 'blobs' ? this.blobs.get(which) : this.manifests.get(`${repository}:${which}`);
    if (found === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': found.length }).end(found);
  }
}
