import type { CallContext } from '../base/call-context.js';
import { NodeletError } from '../base/errors.js';
import {
  newFilesystemIdentifier,
  newFilesystemUsage,
  newImageFsInfoResponse,
  newImageSpec,
  newImageStatusResponse,
  newListImagesResponse,
  newPullImageResponse,
  newRemoveImageResponse,
  newUInt64Value,
} from '../ports/cri/messages.js';
import type { AuthConfig, ImageSpec, PodSandboxMetadata } from '../ports/cri/messages.js';
import type { OwnImageVerbs } from '../ports/cri/runtime.js';
import { validateImageHandler, validateImageSpec } from '../spec/image-spec-validate.js';
import { criImage } from './image-messages.js';
import { isReferredTo } from './image-names.js';
import type { ImageInfo } from './images.js';
import type { LayerUsage } from './layers/layer-store.js';

/** A pull as a request asks for it; `pod` is whom it is for, where the request says so. */
export interface WantedPull {
  reference: string;
  auth: AuthConfig | null;
  pod: PodSandboxMetadata | null;
}

/** What the verbs need of the room. */
export interface VerbParts {
  list(): ImageInfo[];
  /** Errors about the text name `field`. */
  lookup(reference: string, field?: string): ImageInfo | undefined;
  /** What a verbose status adds. */
  describe(image: ImageInfo): Record<string, string>;
  pull(wanted: WantedPull, ctx: CallContext): Promise<ImageInfo>;
  remove(image: ImageInfo): Promise<void>;
  usage(): LayerUsage;
  nowNs(): bigint;
  /** A folder of the file system that holds the images. */
  storePath: string;
  /** Names of the configured runtime handlers. */
  handlers: readonly string[];
}

/** CRI's ImageService. */
export function imageVerbs(parts: VerbParts): OwnImageVerbs {
  const check = { field: 'image', handlers: parts.handlers };
  /** The image that a request means, if the node has it. */
  const found = (asked: ImageSpec | null): ImageInfo | undefined => {
    const spec = validateImageSpec(asked, check);
    const image = parts.lookup(spec.image);
    return image !== undefined && isReferredTo(image, spec) ? image : undefined;
  };
  return {
    ListImages: async ({ filter }) => {
      const wanted = filter?.image ?? newImageSpec();
      validateImageHandler(wanted, { ...check, field: 'filter.image' });
      const images =
        wanted.image === ''
          ? parts.list()
          : [parts.lookup(wanted.image, 'filter.image.image')].filter((image) => image !== undefined);
      return newListImagesResponse({
        images: images.filter((image) => isReferredTo(image, wanted)).map(criImage),
      });
    },
    ImageStatus: async ({ image: asked, verbose }) => {
      const image = found(asked);
      return newImageStatusResponse({
        image: image === undefined ? null : criImage(image),
        info: verbose && image !== undefined ? parts.describe(image) : {},
      });
    },
    PullImage: async ({ image, auth, sandbox_config: pod }, ctx) => {
      const spec = validateImageSpec(image, check);
      if (spec.image_ref !== '') {
        throw new NodeletError('invalid', 'is what a pull answers, and not what it is asked for', {
          field: 'image.image_ref',
          remedy: 'name the digest in image.image: registry/name@sha256:…',
        });
      }
      const pulled = await parts.pull({ reference: spec.image, auth, pod: pod?.metadata ?? null }, ctx);
      return newPullImageResponse({ image_ref: pulled.id });
    },
    RemoveImage: async ({ image: asked }) => {
      const image = found(asked);
      if (image !== undefined) await parts.remove(image);
      return newRemoveImageResponse();
    },
    ImageFsInfo: async () => {
      const { diskBytes, inodes } = parts.usage();
      const usage = newFilesystemUsage({
        timestamp: parts.nowNs().toString(),
        fs_id: newFilesystemIdentifier({ mountpoint: parts.storePath }),
        used_bytes: newUInt64Value({ value: String(diskBytes) }),
        inodes_used: newUInt64Value({ value: String(inodes) }),
      });
      // One file system holds both. A kubelet takes any difference between the two answers for two file systems.
      return newImageFsInfoResponse({ image_filesystems: [usage], container_filesystems: [usage] });
    },
  };
}
