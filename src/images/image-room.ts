import { createHash } from 'node:crypto';
import path from 'node:path';
import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import { SharedFlights } from '../base/shared-flight.js';
import type { Host } from '../ports/host.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import type { ImageRecord } from './image-catalog.js';
import { ImageCatalog } from './image-catalog.js';
import { verboseInfo } from './image-messages.js';
import type { WantedPull } from './image-verbs.js';
import { imageVerbs } from './image-verbs.js';
import type { ImageInfo, Images } from './images.js';
import type { LayerRecord } from './layer-store.js';
import { LayerStore } from './layer-store.js';
import { embedPauseImage, embeddedPauseReference } from './pause-image.js';
import { pullImage } from './pull.js';
import { canonicalText, parseReference } from './reference.js';
import { RegistryClient } from './registry/client.js';
import { registryLogin } from './registry/login.js';
import { RegistryTransport } from './registry/transport.js';
import type { SnapshotRecord } from './snapshot-store.js';
import { createSnapshots } from './snapshot-store.js';

export interface ImagesParts extends Pick<
  Host,
  'files' | 'layerFiles' | 'mounts' | 'store' | 'processes' | 'clock'
> {
  config: Pick<NodeConfig, 'rootDir' | 'runDir' | 'pauseImage' | 'registries' | 'runtimes'>;
  log: Log;
  /** Told of each pull when it has ended; `bytes` came from the registry, compressed, whether it went well or not. */
  onPull?: (pull: { ok: boolean; bytes: number }) => void;
  /** Milliseconds of silence after which a registry counts as down. */
  stallMs?: number;
}

/** The images room: registry, layers, snapshots and CRI's image verbs behind one face. */
export function createImages(parts: ImagesParts): Images {
  const { config, store, log } = parts;
  const catalog = new ImageCatalog(store.table<ImageRecord>('images'));
  const snapshotRecords = store.table<SnapshotRecord>('snapshots');
  const layersDir = path.join(config.rootDir, 'layers');
  const layers = new LayerStore({
    dir: layersDir,
    records: store.table<LayerRecord>('layers'),
    host: parts,
  });
  const transport = new RegistryTransport(parts.stallMs);
  const pulls = new SharedFlights<string, ImageRecord>();
  const pauseTag = canonicalText(parseReference(config.pauseImage ?? embeddedPauseReference, 'pauseImage'));
  /** Layers of images that lost others: whoever pulls such an image again fetches only what is missing. */
  let salvaged: ReadonlySet<string> = new Set();

  const infoOf = (record: ImageRecord): ImageInfo => ({
    id: record.id,
    repoTags: record.repoTags,
    repoDigests: record.repoDigests,
    run: record.run,
    sizeBytes: layers.usage(record.layers).diskBytes,
    // The pause image is pinned by its name, so that another one that is configured or embedded later takes over.
    pinned: [...record.repoTags, ...record.repoDigests].includes(pauseTag),
  });
  const lookup = (text: string, field?: string): ImageInfo | undefined => {
    const record = catalog.find(text, field);
    return record && infoOf(record);
  };

  const collect = async (): Promise<void> => {
    // No record on the disk may name a layer that is about to go.
    await store.flushed();
    await layers.removeUnused((chainId) => {
      const users = [...catalog.all(), ...snapshotRecords.entries().map(([, record]) => record)];
      return salvaged.has(chainId) || users.some((user) => user.layers.includes(chainId));
    });
  };
  const save = async (image: ImageRecord): Promise<ImageRecord> => {
    const saved = await catalog.put(image);
    await store.flushed();
    return saved;
  };

  const pull = async ({ reference: text, auth, pod }: WantedPull, ctx: CallContext): Promise<ImageInfo> => {
    const reference = parseReference(text);
    const login = registryLogin(auth, reference.registry);
    // Another login may see another image, or none.
    const key = createHash('sha256')
      .update(JSON.stringify([canonicalText(reference), login]))
      .digest('hex');
    const record = await pulls.join(key, ctx.signal, async (signal) => {
      const client = new RegistryClient(reference, { transport, registries: config.registries, login });
      let ok = false;
      try {
        const pulled = await pullImage({
          reference,
          client,
          layers,
          signal,
          save,
        });
        ok = true;
        return pulled;
      } finally {
        parts.onPull?.({ ok, bytes: client.receivedBytes });
        if (!ok) await collect();
      }
    });
    const podName = pod === null ? undefined : `${pod.namespace}/${pod.name}`;
    ctx.log.info({ image: canonicalText(reference), id: record.id, pod: podName }, 'image pulled');
    return infoOf(record);
  };

  const verbs = imageVerbs({
    list: () => catalog.all().map(infoOf),
    lookup,
    describe: ({ id }) => {
      const record = catalog.get(id);
      return record === undefined ? {} : verboseInfo(record);
    },
    pull,
    remove: async ({ id, pinned }) => {
      if (pinned) {
        throw new NodeletError('denied', 'the image is pinned: every pod needs it', {
          field: 'image.image',
          remedy: 'configure another pauseImage first',
        });
      }
      await catalog.remove(id);
      await collect();
    },
    usage: () => layers.usage(),
    nowNs: () => parts.clock.nowNs(),
    storePath: config.rootDir,
    handlers: Object.keys(config.runtimes),
  });

  /** Drops images that lost a layer, say by loss of power under an older kernel or by hand. */
  const dropDamaged = async (): Promise<void> => {
    const damaged = catalog.all().filter((image) => !image.layers.every((chainId) => layers.has(chainId)));
    for (const { id, repoTags } of damaged) {
      log.warn({ image: id, names: repoTags }, 'layers of the image are lost: it must be pulled again');
      await catalog.remove(id);
    }
    salvaged = new Set(damaged.flatMap((image) => image.layers));
  };

  /** The embedded image of this machine's binary, unless another is configured; one of an older binary goes. */
  const placePauseImage = async (): Promise<void> => {
    const wanted = config.pauseImage === undefined ? await embedPauseImage(layers) : undefined;
    const older = catalog.find(embeddedPauseReference);
    if (older !== undefined && older.id !== wanted?.id) await catalog.remove(older.id);
    if (wanted !== undefined) await catalog.put(wanted);
  };

  const snapshots = createSnapshots({
    dir: path.join(config.rootDir, 'snapshots'),
    mappedDir: path.join(config.runDir, 'roots'),
    layersDir,
    host: parts,
    records: snapshotRecords,
    layersOf: (id) => {
      const record = catalog.get(id);
      if (record === undefined) throw new NodeletError('not-found', `image ${id} has been removed`);
      return record.layers;
    },
    layerFolder: (chainId) => layers.folder(chainId),
    hold: (chain) => layers.hold(chain),
    released: async (id) => {
      // The layers of an image that was removed under its containers go with the last of them.
      if (catalog.get(id) !== undefined) return;
      await collect().catch((thrown: unknown) =>
        log.warn({ image: id, err: String(thrown) }, 'layers that nobody uses could not be removed yet'),
      );
    },
  });

  return {
    verbs,
    lookup,
    start: async () => {
      await layers.start();
      await dropDamaged();
      await placePauseImage();
      await snapshots.start();
      await collect();
    },
    snapshots,
    pauseImage: async (ctx) =>
      lookup(pauseTag) ?? (await pull({ reference: pauseTag, auth: null, pod: null }, ctx)),
    stop: async () => {
      await pulls.abort(
        new NodeletError('unavailable', 'nodelet is stopping', { remedy: 'pull again later' }),
      );
      await transport.close();
    },
  };
}
