import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import type { ImageId } from '../base/ids.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import { SingleFlight } from '../base/single-flight.js';
import type { AuthConfig, Image } from '../ports/cri/messages.js';
import {
  newFilesystemIdentifier,
  newFilesystemUsage,
  newImage,
  newImageFsInfoResponse,
  newImageSpec,
  newImageStatusResponse,
  newInt64Value,
  newListImagesResponse,
  newPullImageResponse,
  newRemoveImageResponse,
  newUInt64Value,
} from '../ports/cri/messages.js';
import type { ImageVerbs } from '../ports/cri/runtime.js';
import type { Host } from '../ports/host.js';
import type { NodeConfig } from '../spec/node-config.js';
import type { ImageInfo, Images } from './images.js';
import { LayerStore } from './layer-store.js';
import { embeddedPauseReference, makePauseLayer } from './pause-image.js';
import { parseReference, repositoryName } from './reference.js';
import type { ImageManifest } from './registry-client.js';
import { RegistryClient } from './registry-client.js';
import type { SnapshotRecord } from './snapshot-store.js';
import { createSnapshots } from './snapshot-store.js';

interface ImageRecord extends ImageInfo {
  /** Chain ids, topmost first. */
  layers: string[];
}

interface ImageConfigFile {
  config?: {
    User?: string;
    Env?: string[] | null;
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    WorkingDir?: string;
    StopSignal?: string;
    Volumes?: Record<string, unknown> | null;
    Labels?: Record<string, string> | null;
  };
  rootfs: { diff_ids: string[] };
}

export interface ImagesParts extends Pick<Host, 'files' | 'mounts' | 'store' | 'processes' | 'clock'> {
  config: Pick<NodeConfig, 'rootDir' | 'pauseImage' | 'registries'>;
  log: Log;
  onPull?: (pull: { ok: boolean; bytes: number }) => void;
}

const layersAtOnce = 3;

/** The images room: registry, layers, snapshots and CRI's image verbs behind one face. */
export function createImages(parts: ImagesParts): Images {
  const { config, store, clock } = parts;
  const records = store.table<ImageRecord>('images');
  const snapshotRecords = store.table<SnapshotRecord>('snapshots');
  const layers = new LayerStore(path.join(config.rootDir, 'layers'), parts.processes);
  const pulls = new SingleFlight<string, ImageRecord>();
  // One at a time: two pulls that name one image would otherwise each write over the other's name.
  const naming = new KeyedQueue<'names'>();
  const all = () => records.entries().map(([, record]) => record);

  const lookup = (text: string): ImageRecord | undefined => {
    const byId = all().find(({ id }) => id === text || id === `sha256:${text}`);
    if (byId !== undefined) return byId;
    if (/^[0-9a-f]{6,63}$/.test(text)) {
      const short = all().filter(({ id }) => id.startsWith(`sha256:${text}`));
      if (short.length === 1) return short[0];
    }
    if (text === '' || /^sha256:/.test(text)) return undefined;
    const reference = parseReference(text);
    const name = repositoryName(reference);
    return all().find((record) =>
      reference.digest === undefined
        ? record.repoTags.includes(`${name}:${reference.tag ?? ''}`)
        : record.repoDigests.includes(`${name}@${reference.digest}`),
    );
  };

  /** Puts names on an image; a tag that another image had moves to this one. */
  const save = (record: ImageRecord): Promise<void> => naming.run('names', () => putNames(record));
  const putNames = async (record: ImageRecord): Promise<void> => {
    for (const other of all()) {
      const kept = other.repoTags.filter((tag) => !record.repoTags.includes(tag));
      if (other.id !== record.id && kept.length < other.repoTags.length) {
        await records.put(other.id, { ...other, repoTags: kept });
      }
    }
    const known = records.get(record.id);
    const union = (a: string[], b: string[]) => [...new Set([...a, ...b])];
    await records.put(record.id, {
      ...record,
      pinned: record.pinned || (known?.pinned ?? false),
      repoTags: union(known?.repoTags ?? [], record.repoTags),
      repoDigests: union(known?.repoDigests ?? [], record.repoDigests),
    });
    await store.flushed();
  };

  const pull = async (text: string, auth: AuthConfig | null, ctx: CallContext): Promise<ImageRecord> => {
    const reference = parseReference(text);
    const client = new RegistryClient(reference, { auth, registries: config.registries, signal: ctx.signal });
    const top = await client.manifest(reference.digest ?? reference.tag ?? 'latest');
    const manifest = await choosePlatform(client, top.manifest);
    const folder = path.join(config.rootDir, 'tmp');
    await fs.promises.mkdir(folder, { recursive: true });
    const configFile = path.join(folder, manifest.config.digest.replace(':', '-'));
    await client.blob(manifest.config, configFile);
    const image = JSON.parse(await fs.promises.readFile(configFile, 'utf8')) as ImageConfigFile;
    await fs.promises.rm(configFile, { force: true });
    const chain = chainIds(image.rootfs.diff_ids);
    if (chain.length !== manifest.layers.length) {
      throw new NodeletError(
        'corrupt',
        `the image has ${manifest.layers.length} layers but ${chain.length} diff ids`,
      );
    }
    const queue = manifest.layers.map((descriptor, index) => ({
      descriptor,
      chainId: chain[index] ?? '',
      diffId: image.rootfs.diff_ids[index] ?? '',
    }));
    const worker = async () => {
      for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
        const { descriptor } = layer;
        await layers.ensure(layer, (file) => client.blob(descriptor, file));
      }
    };
    await Promise.all(Array.from({ length: layersAtOnce }, worker));
    const name = repositoryName(reference);
    const record: ImageRecord = {
      id: manifest.config.digest as ImageId,
      repoTags: reference.digest === undefined ? [`${name}:${reference.tag ?? 'latest'}`] : [],
      repoDigests: [`${name}@${top.digest}`],
      sizeBytes: manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size),
      pinned: text === config.pauseImage,
      run: runConfig(image),
      layers: chain.toReversed(),
    };
    await save(record);
    return records.get(record.id) ?? record;
  };

  const pullShared = (text: string, auth: AuthConfig | null, ctx: CallContext) =>
    pulls.run(text, async () => {
      try {
        const record = await pull(text, auth, ctx);
        parts.onPull?.({ ok: true, bytes: record.sizeBytes });
        return record;
      } catch (thrown) {
        parts.onPull?.({ ok: false, bytes: 0 });
        throw thrown;
      }
    });

  const collect = async () => {
    if (pulls.busy) return;
    // No record on the disk may name a layer that is about to go.
    await store.flushed();
    const used = [...all(), ...snapshotRecords.entries().map(([, record]) => record)];
    await layers.retain(new Set(used.flatMap((record) => record.layers)));
  };

  const verbs: ImageVerbs = {
    ListImages: async ({ filter }) => {
      const wanted = filter?.image?.image ?? '';
      const found = wanted === '' ? all() : [lookup(wanted)].filter((record) => record !== undefined);
      return newListImagesResponse({ images: found.map(criImage) });
    },
    ImageStatus: async ({ image, verbose }) => {
      const found = lookup(required(image?.image));
      return newImageStatusResponse({
        image: found === undefined ? null : criImage(found),
        info: verbose && found !== undefined ? { info: JSON.stringify(found.run) } : {},
      });
    },
    PullImage: async ({ image, auth }, ctx) =>
      newPullImageResponse({ image_ref: (await pullShared(required(image?.image), auth, ctx)).id }),
    RemoveImage: async ({ image }) => {
      const found = lookup(required(image?.image));
      if (found?.pinned === true) {
        throw new NodeletError('denied', 'the image is pinned: every pod needs it', {
          field: 'image.image',
          remedy: 'configure another pauseImage first',
        });
      }
      if (found !== undefined) await records.remove(found.id);
      await collect();
      return newRemoveImageResponse();
    },
    ImageFsInfo: async () => {
      const usage = newFilesystemUsage({
        timestamp: clock.nowNs().toString(),
        fs_id: newFilesystemIdentifier({ mountpoint: config.rootDir }),
        used_bytes: newUInt64Value({
          value: String(all().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)),
        }),
        inodes_used: newUInt64Value({ value: '0' }),
      });
      return newImageFsInfoResponse({ image_filesystems: [usage], container_filesystems: [usage] });
    },
  };

  return {
    verbs,
    lookup,
    start: async () => {
      await layers.sweep();
      await fs.promises.rm(path.join(config.rootDir, 'tmp'), { recursive: true, force: true });
      const pause = await makePauseLayer((chainId) => layers.folder(chainId));
      await save(pause);
      await collect();
    },
    pauseImage: async (ctx) => {
      const wanted = config.pauseImage ?? embeddedPauseReference;
      return lookup(wanted) ?? (await pullShared(wanted, null, ctx));
    },
    snapshots: createSnapshots({
      dir: path.join(config.rootDir, 'snapshots'),
      host: parts,
      records: snapshotRecords,
      layersOf: (id) => {
        const record = records.get(id);
        if (record === undefined) throw new NodeletError('not-found', `image ${id} has been removed`);
        return record.layers;
      },
      layerFolder: (chainId) => layers.folder(chainId),
    }),
    stop: async () => undefined,
  };
}

function required(reference: string | undefined): string {
  if (reference !== undefined && reference !== '') return reference;
  throw new NodeletError('invalid', 'no image is named', { field: 'image.image' });
}

async function choosePlatform(client: RegistryClient, top: ImageManifest): Promise<ImageManifest> {
  if (top.manifests === undefined) return top;
  const architecture = os.arch() === 'x64' ? 'amd64' : os.arch();
  const fitting = top.manifests.find(
    ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
  );
  if (fitting !== undefined) return (await client.manifest(fitting.digest)).manifest;
  throw new NodeletError('not-found', `the image has no variant for linux/${architecture}`, {
    field: 'image.image',
  });
}

/** Chain ids bottom up: sha256 of the chain below, a space, and the diff id (image-spec config.md). */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(
      below === undefined
        ? diffId
        : `sha256:${createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`,
    );
  }
  return chain;
}

function runConfig({ config = {} }: ImageConfigFile): ImageInfo['run'] {
  return {
    user: config.User ?? '',
    env: config.Env ?? [],
    entrypoint: config.Entrypoint ?? [],
    cmd: config.Cmd ?? [],
    workingDir: config.WorkingDir ?? '',
    stopSignal: config.StopSignal ?? '',
    volumes: Object.keys(config.Volumes ?? {}),
    labels: config.Labels ?? {},
  };
}

function criImage(record: ImageRecord): Image {
  const [user = ''] = record.run.user.split(':');
  const numeric = user === '' || /^\d+$/.test(user);
  return newImage({
    id: record.id,
    repo_tags: record.repoTags,
    repo_digests: record.repoDigests,
    size: String(record.sizeBytes),
    uid: numeric ? newInt64Value({ value: user === '' ? '0' : user }) : null,
    username: numeric ? '' : user,
    spec: newImageSpec({ image: record.id }),
    pinned: record.pinned,
  });
}
