import type { CallContext } from '../base/call-context.js';
import type { ImageId } from '../base/ids.js';
import type { OwnImageVerbs } from '../ports/cri/runtime.js';
import type { ImageGc } from './gc/image-gc.js';
import type { ImageEdits } from './image-edits.js';
import type { HistoryStep } from './image-history.js';
import type { IdMapping } from '../ports/mounts.js';
import type { RunningPulls } from './pull-progress.js';
import type { ResolveReport } from './resolve-report.js';

/** The `config` part of an OCI image config (image-spec config.md), as far as running needs it; defaults filled in. */
export interface ImageRunConfig {
  user: string;
  env: string[];
  entrypoint: string[];
  cmd: string[];
  workingDir: string;
  stopSignal: string;
  volumes: string[];
  labels: Record<string, string>;
}

export interface ImageInfo {
  id: ImageId;
  /** `name:tag` references, normalized (`docker.io/library/nginx:latest`). */
  repoTags: string[];
  /** `name@sha256:…` references. */
  repoDigests: string[];
  sizeBytes: number;
  /** Never garbage-collected, not removable by prune. */
  pinned: boolean;
  run: ImageRunConfig;
}

/** A container's root file system on top of an image's layers. */
export interface Snapshots {
  /** Makes the folders that outlive every snapshot. */
  start(): Promise<void>;
  /**
   * Mounts a writable root for container `id`; the layers stay in the store while the snapshot exists, even when the image is
   * removed. With a mapping, files of the image belong to the mapped ids. Idempotent for the same image.
   */
  prepare(id: string, image: ImageId, mapping?: IdMapping): Promise<{ rootfs: string }>;
  /** A root that is only read (infra containers): shared, mounted only when the image has several layers. */
  prepareReadOnly(id: string, image: ImageId, mapping?: IdMapping): Promise<{ rootfs: string }>;
  /** Why this machine can't map the ids of roots; undefined where it can. Tried once, for real. */
  mappingTrouble(): Promise<string | undefined>;
  /** Folder that takes what container `id` writes to its root. */
  writableDir(id: string): string;
  /** Folder for anonymous volumes of container `id`, made by whoever needs it; it goes with the snapshot. */
  volumesDir(id: string): string;
  /** Unmounts and removes; gone is success. */
  remove(id: string): Promise<void>;
  /** Ids of all snapshots on disk or in the records, for orphan sweeps. */
  list(): Promise<string[]>;
}

/** The public face of the images room. */
export interface Images {
  /** Removes what a crash left half made, and puts the embedded pause image in place. */
  start(): Promise<void>;
  verbs: OwnImageVerbs;
  /** By id, id prefix, `name:tag`, `name@digest` or short form; undefined where there is none. Errors about the text name `field`. */
  lookup(reference: string, field?: string): ImageInfo | undefined;
  /** The pinned image that infra containers run: embedded, or the configured one (pulled at first use). */
  pauseImage(ctx: CallContext): Promise<ImageInfo>;
  /** Where a reference would be pulled from, each source tried; errors about the text name `reference`. */
  resolve(reference: string, signal: AbortSignal): Promise<ResolveReport>;
  /** Pulls that run now. */
  pulls: Pick<RunningPulls, 'list' | 'subscribe'>;
  snapshots: Snapshots;
  /** Removes images that nobody uses. */
  gc: Pick<ImageGc, 'prune'>;
  edits: ImageEdits;
  /** Steps that made an image, the newest first; `not-found` where there is none. */
  history(reference: string): Promise<HistoryStep[]>;
  stop(): Promise<void>;
}
