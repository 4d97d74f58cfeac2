import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { NodeletError } from '../base/errors.js';
import { SingleFlight } from '../base/single-flight.js';
import type { Processes } from '../ports/processes.js';
import type { Descriptor } from './registry-client.js';

const toolTimeoutMs = 10 * 60_000;
const whiteoutPrefix = '.wh.';
const opaqueMarker = '.wh..wh..opq';

/**
 * Layers by chain id (image-spec config.md): each unpacked once into a folder that overlay mounts as a lower.
 * A layer is made under a temporary name and renamed when it is whole and on the disk, so that a crash leaves none or all of it.
 */
export class LayerStore {
  private readonly unpacking = new SingleFlight<string, void>();

  constructor(
    private readonly dir: string,
    private readonly processes: Processes,
  ) {}

  folder(chainId: string): string {
    return path.join(this.dir, chainId.replace('sha256:', ''));
  }

  /** Removes what a crash left half made. */
  async sweep(): Promise<void> {
    await fs.promises.mkdir(this.dir, { recursive: true, mode: 0o700 });
    for (const name of await fs.promises.readdir(this.dir)) {
      if (name.includes('.tmp')) await fs.promises.rm(path.join(this.dir, name), { recursive: true });
    }
  }

  has(chainId: string): boolean {
    return fs.existsSync(this.folder(chainId));
  }

  /** Removes every layer that `used` doesn't name. */
  async retain(used: ReadonlySet<string>): Promise<void> {
    for (const name of await fs.promises.readdir(this.dir)) {
      if (name.includes('.tmp') || used.has(`sha256:${name}`)) continue;
      await fs.promises.rm(path.join(this.dir, name), { recursive: true, force: true });
    }
  }

  /** Fetches and unpacks a layer unless it is there; concurrent callers share the work. */
  ensure(
    layer: { chainId: string; diffId: string; descriptor: Descriptor },
    fetchTo: (file: string) => Promise<void>,
  ): Promise<void> {
    if (this.has(layer.chainId)) return Promise.resolve();
    return this.unpacking.run(layer.chainId, async () => {
      const target = this.folder(layer.chainId);
      const [blob, tar, temporary] = [`${target}.tmp.blob`, `${target}.tmp.tar`, `${target}.tmp`];
      try {
        await fetchTo(blob);
        await this.decompress(blob, tar, layer);
        await fs.promises.mkdir(temporary, { mode: 0o755 });
        await this.unpack(tar, temporary);
        await this.run(['sync', '--file-system', temporary]);
        await fs.promises.rename(temporary, target);
      } finally {
        for (const left of [blob, tar, temporary]) {
          await fs.promises.rm(left, { recursive: true, force: true });
        }
      }
    });
  }

  private async decompress(
    from: string,
    to: string,
    layer: { diffId: string; descriptor: Descriptor },
  ): Promise<void> {
    const hash = createHash('sha256');
    const measure = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    const type = layer.descriptor.mediaType;
    const source = fs.createReadStream(from);
    if (/zstd$/.test(type)) {
      throw new NodeletError('unsupported', `layer ${layer.descriptor.digest} is compressed with zstd`, {
        remedy: 'push the image with gzip layers',
      });
    }
    if (/gzip$/.test(type)) await pipeline(source, zlib.createGunzip(), measure, fs.createWriteStream(to));
    else await pipeline(source, measure, fs.createWriteStream(to));
    const diffId = `sha256:${hash.digest('hex')}`;
    if (diffId === layer.diffId) return;
    throw new NodeletError(
      'corrupt',
      `layer ${layer.descriptor.digest} unpacks to ${diffId}, not ${layer.diffId}`,
    );
  }

  /** GNU tar keeps hard links, devices, ids and file capabilities, and refuses names that lead out of the folder. */
  private async unpack(tar: string, dir: string): Promise<void> {
    await this.run([
      ...['tar', '--extract', '--file', tar, '--directory', dir, '--numeric-owner', '--same-owner'],
      ...['--preserve-permissions', '--xattrs', '--xattrs-include=*', '--exclude', `${whiteoutPrefix}*`],
    ]);
    const listed = await this.run(['tar', '--list', '--file', tar, '--quoting-style=literal']);
    for (const name of listed.split('\n')) {
      if (path.basename(name).startsWith(whiteoutPrefix)) await this.whiteOut(dir, name);
    }
  }

  /** A whiteout of the image (layer.md) in overlay's form: a 0:0 device, or a folder marked opaque. */
  private async whiteOut(dir: string, name: string): Promise<void> {
    const parent = await this.folderInside(dir, path.dirname(name), name);
    if (path.basename(name) === opaqueMarker) {
      await this.run(['setfattr', '--name', 'trusted.overlay.opaque', '--value', 'y', parent]);
      return;
    }
    const hiddenName = path.basename(name).slice(whiteoutPrefix.length);
    if (['', '.', '..'].includes(hiddenName)) throw hostile(name, 'names no entry');
    const hidden = path.join(parent, hiddenName);
    // A layer's whiteouts speak of the layers below: an entry that this layer itself brings stays.
    if ((await statIfAny(hidden)) !== undefined) return;
    await this.run(['mknod', hidden, 'c', '0', '0']);
  }

  /** The folder of a whiteout, made where it is missing. Each step is looked at before anything is made, since the archive may lie. */
  private async folderInside(dir: string, relative: string, name: string): Promise<string> {
    let at = dir;
    for (const part of relative.split('/')) {
      if (part === '' || part === '.') continue;
      if (part === '..') throw hostile(name, 'climbs out of the layer');
      at = path.join(at, part);
      const stat = await statIfAny(at);
      if (stat === undefined) await fs.promises.mkdir(at, { mode: 0o755 });
      else if (!stat.isDirectory()) throw hostile(name, 'leads through something that is no folder');
    }
    return at;
  }

  private async run(argv: string[]): Promise<string> {
    const result = await this.processes.run({
      argv,
      env: { LC_ALL: 'C.UTF-8' },
      timeoutMs: toolTimeoutMs,
      maxOutputBytes: 256 * 1024 * 1024,
    });
    if (result.exitCode === 0) return result.stdout.toString('utf8');
    throw new NodeletError(
      'tool-failed',
      `${argv[0] ?? ''}: ${result.stderr.toString('utf8').trim().slice(0, 500)}`,
    );
  }
}

const hostile = (name: string, why: string): NodeletError =>
  new NodeletError('corrupt', `the layer's whiteout "${name}" ${why}`, {
    remedy: 'the image is damaged or hostile; nothing of it was kept',
  });

async function statIfAny(file: string): Promise<fs.Stats | undefined> {
  return fs.promises.lstat(file).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw thrown;
  });
}
