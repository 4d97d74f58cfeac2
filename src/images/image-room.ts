import { createHash } from 'node:crypto';
import path from 'node:path';
import type { CallContext, Log } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import { SharedFlights } from '../base/shared-flight.js';
import type { Host } from '../ports/host.js';
import type { NodeConfig } from '../spec/config/node-config.js';
import { ImageGc } from './gc/image-gc.js';
import type { ImageUseRecord } from './gc/image-uses.js';
import { ImageUses } from './gc/image-uses.js';
import type { ImageRecord } from './image-catalog.js';
import { DocumentStore } from './document-store.js';
import { ImageCatalog } from './image-catalog.js';
import { createImageEdits } from './image-edits.js';
import { imageHistory } from './image-history.js';
import { verboseInfo } from './image-messages.js';
import type { WantedPull } from './image-verbs.js';
import { imageVerbs } from './image-verbs.js';
import type { ImageInfo, Images } from './images.js';
import { moveToDiffIds } from './layers/layer-migration.js';
import type { LayerRecord } from './layers/layer-store.js';
import { LayerStore } from './layers/layer-store.js';
import { embedPauseImage, embeddedPauseReference } from './pause-image.js';
import type { Platform } from './platform.js';
import { machinePlatform } from './platform.js';
import { RunningPulls } from './pull-progress.js';
import { pullImage } from './pull.js';
import { canonicalText, parseReference, repositoryName } from './reference.js';
import { requestLogin } from './registry/login.js';
import type { Patience } from './registry/patience.js';
import { Registries } from './registry/registries.js';
import type { ProxySettings } from './registry/transport.js';
import { reportSources } from './resolve-report.js';
import type { SnapshotRecord } from './snapshot-store.js';
import { createSnapshots } from './snapshot-store.js';

export interface ImagesParts extends Pick<
  Host,
  | 'files'
  | 'layerFiles'
  | 'layerArchives'
  | 'mounts'
  | 'store'
  | 'processes'
  | 'clock'
  | 'random'
  | 'usageProbes'
> {
  config: Pick<
    NodeConfig,
    | 'rootDir'
    | 'runDir'
    | 'pauseImage'
    | 'registries'
    | 'registriesFile'
    | 'dockerConfig'
    | 'images'
    | 'runtimes'
  >;
  log: Log;
  /** Told of each pull when it has ended; `bytes` came from the registry, compressed, whether it went well or not. */
  onPull?: (pull: { ok: boolean; bytes: number }) => void;
  /** Where it differs from the usual one. */
  patience?: Partial<Patience>;
  /** Of the daemon's environment. */
  proxies?: ProxySettings | undefined;
}

/** The images room: registry, layers, snapshots and CRI's image verbs behind one face. */
export function createImages(parts: ImagesParts): Images {
  const { config, store, log } = parts;
  const imageRecords = store.table<ImageRecord>('images');
  const catalog = new ImageCatalog(imageRecords);
  const snapshotRecords = store.table<SnapshotRecord>('snapshots');
  const layersDir = path.join(config.rootDir, 'layers');
  const layerRecords = store.table<LayerRecord>('layers');
  const layers = new LayerStore({
    dir: layersDir,
    records: layerRecords,
    limits: config.images.limits,
    host: parts,
  });
  const documents = new DocumentStore(path.join(config.rootDir, 'blobs'), parts);
  const registries = new Registries({ ...parts, host: parts });
  const running = new RunningPulls(parts.clock);
  const pulls = new SharedFlights<string, ImageRecord>();
  const pauseTag = canonicalText(parseReference(config.pauseImage ?? embeddedPauseReference, 'pauseImage'));
  /** Layers of images that lost others: whoever pulls such an image again fetches only what is missing. */
  let salvaged: ReadonlySet<string> = new Set();

  const uses = new ImageUses(store.table<ImageUseRecord>('image-uses'), () =>
    Number(parts.clock.nowNs() / 1_000_000n),
  );

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
    // Who asks for an image by name is about to use it.
    if (record !== undefined) uses.touch(record.id);
    return record && infoOf(record);
  };

  const collect = async (): Promise<void> => {
    // No record on the disk may name a layer that is about to go.
    await store.flushed();
    await layers.removeUnused((key) => {
      const users = [...catalog.all(), ...snapshotRecords.entries().map(([, record]) => record)];
      return salvaged.has(key) || users.some((user) => user.layers.includes(key));
    });
    const kept = catalog.all().flatMap((image) => Object.values(image.documents ?? {}));
    await documents.removeUnused(new Set(kept));
  };
  const save = async (image: ImageRecord): Promise<ImageRecord> => {
    const saved = await catalog.put(image);
    await store.flushed();
    return saved;
  };

  let cpu: Promise<Platform> | undefined;
  /** What this machine is doesn't change while it runs. */
  const machine = (): Promise<Platform> =>
    (cpu ??= parts.files.read('/proc/cpuinfo').then((text) => machinePlatform(text?.toString('utf8') ?? '')));

  const pull = async ({ reference: text, auth, pod }: WantedPull, ctx: CallContext): Promise<ImageInfo> => {
    const reference = parseReference(text);
    const name = canonicalText(reference);
    const login = requestLogin(auth);
    // Another login may see another image, or none.
    const key = createHash('sha256')
      .update(JSON.stringify([name, login]))
      .digest('hex');
    const record = await pulls.join(key, ctx.signal, async (signal) => {
      const report = running.begin(name);
      let received = () => 0;
      let ok = false;
      try {
        const client = registries.clientOf(await registries.sources(reference, login), { report });
        received = () => client.receivedBytes;
        const downloads = config.images.downloadsPerPull;
        const image = { reference, client, layers, documents, machine: await machine(), downloads };
        const pulled = await pullImage({ ...image, report, signal, save });
        ok = true;
        return pulled;
      } finally {
        report.ended(ok ? 'done' : 'failed');
        parts.onPull?.({ ok, bytes: received() });
        if (!ok) await collect();
      }
    });
    const podName = pod === null ? undefined : `${pod.namespace}/${pod.name}`;
    uses.touch(record.id);
    if (podName !== undefined) uses.pulledFor(record.id, podName);
    ctx.log.info({ image: name, id: record.id, pod: podName }, 'image pulled');
    return infoOf(record);
  };

  const remove = async ({ id, pinned }: ImageInfo): Promise<void> => {
    if (pinned) {
      throw new NodeletError('denied', 'the image is pinned: every pod needs it', {
        field: 'image.image',
        remedy: 'configure another pauseImage first',
      });
    }
    await catalog.remove(id);
    await collect();
  };

  const edits = createImageEdits({
    catalog,
    pauseName: pauseTag,
    reservedRepository: repositoryName(parseReference(embeddedPauseReference)),
    remove: (record) => remove(infoOf(record)),
    flushed: () => store.flushed(),
  });

  const verbs = imageVerbs({
    list: () => catalog.all().map(infoOf),
    lookup,
    describe: ({ id }) => {
      const record = catalog.get(id);
      return record === undefined ? {} : verboseInfo(record);
    },
    pull,
    remove,
    usage: () => layers.usage(),
    nowNs: () => parts.clock.nowNs(),
    storePath: config.rootDir,
    handlers: Object.keys(config.runtimes),
  });

  /** Drops images that lost a layer, say by loss of power under an older kernel or by hand. */
  const dropDamaged = async (): Promise<void> => {
    const damaged = catalog.all().filter((image) => !image.layers.every((key) => layers.has(key)));
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

  const gc = new ImageGc({
    config: config.images.gc,
    storePath: config.rootDir,
    host: parts,
    log,
    uses,
    images: () => catalog.all().map((record) => ({ ...record, pinned: infoOf(record).pinned })),
    users: () => snapshotRecords.entries().map(([id, record]) => ({ id, ...record })),
    layerBytes: (layer) => layers.usage([layer]).diskBytes,
    remove: async (ids) => {
      for await (const id of ids) await catalog.remove(id);
      await collect();
    },
  });

  const snapshots = createSnapshots({
    dir: path.join(config.rootDir, 'snapshots'),
    mappedDir: path.join(config.runDir, 'roots'),
    layersDir,
    host: parts,
    records: snapshotRecords,
    layersOf: (id) => {
      const record = catalog.get(id);
      if (record === undefined) throw new NodeletError('not-found', `image ${id} has been removed`);
      uses.claimed(id);
      return record.layers;
    },
    layerFolder: (key) => layers.folder(key),
    hold: (keys) => layers.hold(keys),
    released: async (id) => {
      if (catalog.get(id) !== undefined) return uses.touch(id);
      // The layers of an image that was removed under its containers go with the last of them.
      await collect().catch((thrown: unknown) =>
        log.warn({ image: id, err: String(thrown) }, 'layers that nobody uses could not be removed yet'),
      );
    },
  });

  return {
    verbs,
    lookup,
    pulls: running,
    resolve: async (text, signal) =>
      reportSources(parseReference(text, 'reference'), { registries, machine: await machine(), signal }),
    start: async () => {
      await registries.start();
      await documents.start();
      await moveToDiffIds({ images: imageRecords, snapshots: snapshotRecords, layers: layerRecords });
      await layers.start();
      await dropDamaged();
      await placePauseImage();
      await snapshots.start();
      await collect();
      gc.start();
    },
    gc,
    edits,
    history: async (reference) => {
      const record = catalog.find(reference, 'reference');
      if (record === undefined) throw new NodeletError('not-found', `no image ${reference} on this node`);
      const config = record.documents && (await documents.read(record.documents.config));
      return imageHistory(record, config, (layer) => layers.usage([layer]).diskBytes);
    },
    snapshots,
    pauseImage: async (ctx) =>
      lookup(pauseTag) ?? (await pull({ reference: pauseTag, auth: null, pod: null }, ctx)),
    stop: async () => {
      await gc.stop();
      await pulls.abort(
        new NodeletError('unavailable', 'nodelet is stopping', { remedy: 'pull again later' }),
      );
      await registries.stop();
    },
  };
}
