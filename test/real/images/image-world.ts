import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { backgroundContext, silentLog } from '../../../src/base/call-context.js';
import { NodeletError } from '../../../src/base/errors.js';
import { createRealHost } from '../../../src/host/real-host.js';
import { defaultImageGc } from '../../../src/spec/config/image-gc-config.js';
import { createImages } from '../../../src/images/image-room.js';
import type { Images } from '../../../src/images/images.js';
import type { AuthConfig, Image } from '../../../src/ports/cri/messages.js';
import {
  newImageFsInfoRequest,
  newImageSpec,
  newImageStatusRequest,
  newListImagesRequest,
  newPullImageRequest,
  newRemoveImageRequest,
} from '../../../src/ports/cri/messages.js';
import type { Host } from '../../../src/ports/host.js';
import { defaultLayerLimits } from '../../../src/spec/config/layer-limits-config.js';
import type { Patience } from '../../../src/images/registry/patience.js';
import type {
  ImageGcConfig,
  ImagesConfigSection,
  RegistryConfig,
} from '../../../src/spec/config/node-config.js';
import { RegistryDouble } from './registry-double.js';

/** What may pass is tried again at once, and not often. */
const impatient: Partial<Patience> = { attempts: 3, connectAttempts: 2, firstPauseMs: 1, longestPauseMs: 2 };

interface WorldOptions {
  pauseImage?: string;
  patience?: Partial<Patience>;
  images?: Partial<ImagesConfigSection>;
  registries?: RegistryConfig[];
  gc?: Partial<ImageGcConfig>;
  /** Puts something between the room and the host. */
  wrap?: (host: Host) => Host;
}

interface PullOptions {
  auth?: AuthConfig;
  signal?: AbortSignal;
}

/** The images room on a real file system, with a registry that tests control. */
export class ImageWorld {
  readonly dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-images-')));
  /** Beside the node's own folder; there is none until a test writes it. */
  readonly registriesFile = `${this.dir}.conf/registries.yaml`;
  readonly dockerConfig = `${this.dir}.conf/docker.json`;
  readonly registry = new RegistryDouble();
  readonly pulls: { ok: boolean; bytes: number }[] = [];
  host!: Host;
  images!: Images;

  async start(options: WorldOptions = {}): Promise<void> {
    if (this.registry.host === '') await this.registry.start();
    const { pauseImage, patience, images, registries = [], gc, wrap = (same: Host) => same } = options;
    this.host = wrap(
      createRealHost({ storePath: `${this.dir}/records`, bootPath: `${this.dir}/boot-records` }),
    );
    this.images = createImages({
      ...this.host,
      config: {
        rootDir: this.dir,
        runDir: `${this.dir}/run`,
        pauseImage,
        registries,
        registriesFile: this.registriesFile,
        dockerConfig: this.dockerConfig,
        images: {
          downloadsPerPull: 3,
          maxDownloads: 12,
          foreignLayers: false,
          gc: { ...defaultImageGc, ...gc },
          limits: defaultLayerLimits,
          ...images,
        },
        runtimes: { crun: { path: '/usr/bin/crun' } },
      },
      log: silentLog,
      onPull: (pull) => void this.pulls.push(pull),
      patience: { ...impatient, ...patience },
    });
    await this.images.start();
  }

  /** Stops the room and its store, as an end of the daemon does. */
  async halt(): Promise<void> {
    await this.images.stop();
    await this.host.store.close();
  }

  async restart(options: WorldOptions = {}): Promise<void> {
    await this.halt();
    await this.start(options);
  }

  async remove(): Promise<void> {
    for (const id of await this.images.snapshots.list()) await this.images.snapshots.remove(id);
    await this.halt();
    await this.registry.stop();
    for (const dir of [this.dir, `${this.dir}.conf`]) fs.rmSync(dir, { recursive: true, force: true });
  }

  name(short: string): string {
    return `${this.registry.host}/${short}`;
  }

  /** Of the test's own registry. */
  pull(short: string, options?: PullOptions): Promise<string> {
    return this.pullReference(this.name(short), options);
  }

  async pullReference(image: string, options: PullOptions = {}): Promise<string> {
    const request = newPullImageRequest({ image: newImageSpec({ image }), auth: options.auth ?? null });
    const ctx = backgroundContext(silentLog, options.signal);
    return (await this.images.verbs.PullImage(request, ctx)).image_ref;
  }

  async status(reference: string): Promise<Image | null> {
    const request = newImageStatusRequest({ image: newImageSpec({ image: reference }) });
    return (await this.images.verbs.ImageStatus(request, backgroundContext())).image;
  }

  async list(): Promise<Image[]> {
    return (await this.images.verbs.ListImages(newListImagesRequest(), backgroundContext())).images;
  }

  async removeImage(reference: string): Promise<void> {
    const request = newRemoveImageRequest({ image: newImageSpec({ image: reference }) });
    await this.images.verbs.RemoveImage(request, backgroundContext());
  }

  async usage(): Promise<{ bytes: number; inodes: number }> {
    const { image_filesystems } = await this.images.verbs.ImageFsInfo(
      newImageFsInfoRequest(),
      backgroundContext(),
    );
    const [usage] = image_filesystems;
    return { bytes: Number(usage?.used_bytes?.value), inodes: Number(usage?.inodes_used?.value) };
  }

  /** Everything below the layers' folder, documents, and names of images: what a failed pull must leave as it was. */
  async store(): Promise<{ folders: string[]; documents: string[]; images: string[] }> {
    const images = (await this.list()).map(({ id }) => id).sort();
    const top = fs.readdirSync(this.dir).filter((name) => !name.endsWith('records') && name !== 'blobs');
    const documents = fs.existsSync(`${this.dir}/blobs`)
      ? fs.readdirSync(`${this.dir}/blobs/sha256`).sort()
      : [];
    return { folders: [...top, ...fs.readdirSync(`${this.dir}/layers`)].sort(), documents, images };
  }
}

/** The error that `work` ends with; a success is the failure here. */
export async function failureOf(work: Promise<unknown>): Promise<NodeletError> {
  const outcome = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (outcome instanceof NodeletError) return outcome;
  throw outcome instanceof Error ? outcome : new Error('it should have failed');
}
