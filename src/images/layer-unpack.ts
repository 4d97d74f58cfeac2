import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { NodeletError } from '../base/errors.js';
import type { Host } from '../ports/host.js';
import type { LayerSurvey } from './layer-survey.js';
import { LayerSurveyor, whiteoutPrefix } from './layer-survey.js';
import type { Descriptor } from './manifest.js';
import { transportError } from './registry/failures.js';

export type UnpackHost = Pick<Host, 'processes' | 'layerFiles'>;

export interface UnpackRequest {
  /** The downloaded blob, and where the archive within may be put meanwhile. */
  blob: string;
  tar: string;
  /** An empty folder. */
  target: string;
  descriptor: Descriptor;
  diffId: string;
  signal: AbortSignal;
}

const toolTimeoutMs = 30 * 60_000;
const opaqueMarker = '.wh..wh..opq';
/** Names that AUFS kept for itself; they hide nothing. */
const reservedPrefix = '.wh..wh.';
const gzipTypes = [
  'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.docker.image.rootfs.diff.tar.gzip',
];
const plainTypes = ['application/vnd.oci.image.layer.v1.tar', 'application/vnd.docker.image.rootfs.diff.tar'];

/** Refuses a layer that could not be unpacked, before it is fetched. */
export function checkLayerType({ mediaType, digest }: Descriptor): void {
  if (gzipTypes.includes(mediaType) || plainTypes.includes(mediaType)) return;
  const zstd = mediaType.endsWith('zstd') ? ', and zstd is not supported' : '';
  throw new NodeletError('unsupported', `layer ${digest} is of type ${mediaType}${zstd}`, {
    field: 'manifest.layers.mediaType',
    remedy: 'push the image with gzip layers',
  });
}

/** Unpacks a layer into overlayfs' form (image-spec layer.md) and tells its size; `corrupt` when it isn't what its diff id says. */
export async function unpackLayer(request: UnpackRequest, host: UnpackHost): Promise<LayerSurvey> {
  const survey = await decompress(request);
  await extract(request, host);
  for (const name of survey.whiteouts) await whiteOut(request.target, name, host);
  return survey;
}

async function decompress({ blob, tar, descriptor, diffId, signal }: UnpackRequest): Promise<LayerSurvey> {
  const hash = createHash('sha256');
  const surveyor = new LayerSurveyor();
  let survey: LayerSurvey | undefined;
  const look = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      await surveyor.take(chunk);
      yield chunk;
    }
    survey = await surveyor.end();
  };
  const decompressor = gzipTypes.includes(descriptor.mediaType) ? zlib.createGunzip() : new PassThrough();
  try {
    await pipeline(fs.createReadStream(blob), decompressor, look, fs.createWriteStream(tar), { signal });
  } catch (thrown) {
    throw transportError(thrown, 'store', signal);
  }
  const got = `sha256:${hash.digest('hex')}`;
  if (got === diffId && survey !== undefined) return survey;
  throw new NodeletError('corrupt', `layer ${descriptor.digest} unpacks to ${got}, not ${diffId}`, {
    field: 'config.rootfs.diff_ids',
    remedy: 'push the image again; nothing of it was kept',
  });
}

/**
 * GNU tar keeps ids, modes with setuid, times, hard links, devices and file capabilities. It makes a symbolic link that leads out of
 * the folder only after all else, so that no entry is written through it, and strips leading slashes. Names with `..`
 * were refused before. Overlayfs' own attributes would let a layer redirect others, so they are left out.
 */
async function extract(
  { tar, target, signal, descriptor }: UnpackRequest,
  { processes }: UnpackHost,
): Promise<void> {
  const { exitCode, stderr } = await processes.run({
    argv: [
      ...['tar', '--extract', '--file', tar, '--directory', target, '--numeric-owner', '--same-owner'],
      ...['--preserve-permissions', '--delay-directory-restore', '--xattrs', '--xattrs-include=*'],
      ...['--xattrs-exclude=trusted.overlay.*', '--exclude', `${whiteoutPrefix}*`],
    ],
    env: { LC_ALL: 'C.UTF-8' },
    timeoutMs: toolTimeoutMs,
    signal,
  });
  if (exitCode === 0) return;
  const why = stderr.toString('utf8').trim().slice(0, 500);
  if (why.includes('No space left on device')) {
    throw transportError(Object.assign(new Error(why), { code: 'ENOSPC' }), 'store', signal);
  }
  throw new NodeletError('corrupt', `layer ${descriptor.digest} can't be unpacked: ${why}`, {
    field: 'manifest.layers',
    remedy: 'the image is damaged or hostile; nothing of it was kept',
  });
}

async function whiteOut(dir: string, name: string, { layerFiles }: UnpackHost): Promise<void> {
  const base = path.posix.basename(name);
  if (base.startsWith(reservedPrefix) && base !== opaqueMarker) return;
  const hiddenName = base.slice(whiteoutPrefix.length);
  if (['', '.', '..'].includes(hiddenName)) throw hostile(name, 'names no entry');
  const parent = await folderInside(dir, path.posix.dirname(name), name);
  if (base === opaqueMarker) {
    await layerFiles.markOpaque(parent);
    return;
  }
  const hidden = path.join(parent, hiddenName);
  // A layer's whiteouts speak of the layers below: an entry that this layer itself brings stays.
  if ((await statIfAny(hidden)) === undefined) await layerFiles.makeWhiteout(hidden);
}

/** The folder of a whiteout, made where it is missing. Each step is looked at before anything is made, since the archive may lie. */
async function folderInside(dir: string, relative: string, name: string): Promise<string> {
  let at = dir;
  for (const part of relative.split('/')) {
    if (part === '' || part === '.') continue;
    at = path.join(at, part);
    const stat = await statIfAny(at);
    if (stat === undefined) await fs.promises.mkdir(at, { mode: 0o755 });
    else if (!stat.isDirectory()) throw hostile(name, 'leads through something that is no folder');
  }
  return at;
}

const hostile = (name: string, why: string): NodeletError =>
  new NodeletError('corrupt', `the layer's whiteout "${name}" ${why}`, {
    field: 'manifest.layers',
    remedy: 'the image is damaged or hostile; nothing of it was kept',
  });

async function statIfAny(file: string): Promise<fs.Stats | undefined> {
  return fs.promises.lstat(file).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw thrown;
  });
}
