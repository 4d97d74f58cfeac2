import { NodeletError } from '../base/errors.js';
import type { Image } from '../ports/cri/messages.js';
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
import type { AuthConfig } from '../ports/cri/messages.js';
import type { OwnImageVerbs } from '../ports/cri/runtime.js';
import type { CallContext } from '../base/call-context.js';
import type { ImageInfo } from './images.js';
import type { LayerUsage } from './layer-store.js';

/** What the verbs need of the room. */
export interface VerbParts {
  list(): ImageInfo[];
  lookup(reference: string): ImageInfo | undefined;
  pull(request: { reference: string; auth: AuthConfig | null }, ctx: CallContext): Promise<ImageInfo>;
  remove(image: ImageInfo): Promise<void>;
  usage(): LayerUsage;
  nowNs(): bigint;
  /** A folder of the file system that holds the images. */
  storePath: string;
}

/** CRI's ImageService. */
export function imageVerbs(parts: VerbParts): OwnImageVerbs {
  return {
    ListImages: async ({ filter }) => {
      const wanted = filter?.image?.image ?? '';
      const found =
        wanted === '' ? parts.list() : [parts.lookup(wanted)].filter((image) => image !== undefined);
      return newListImagesResponse({ images: found.map(criImage) });
    },
    ImageStatus: async ({ image, verbose }) => {
      const found = parts.lookup(required(image?.image));
      return newImageStatusResponse({
        image: found === undefined ? null : criImage(found),
        info: verbose && found !== undefined ? { info: JSON.stringify(found.run) } : {},
      });
    },
    PullImage: async ({ image, auth }, ctx) => {
      const pulled = await parts.pull({ reference: required(image?.image), auth }, ctx);
      return newPullImageResponse({ image_ref: pulled.id });
    },
    RemoveImage: async ({ image }) => {
      const found = parts.lookup(required(image?.image));
      if (found !== undefined) await parts.remove(found);
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
      return newImageFsInfoResponse({ image_filesystems: [usage], container_filesystems: [usage] });
    },
  };
}

function required(reference: string | undefined): string {
  if (reference !== undefined && reference !== '') return reference;
  throw new NodeletError('invalid', 'no image is named', {
    field: 'image.image',
    remedy: 'name an image, for example registry/name:tag',
  });
}

/** An image without a user runs as root. */
function criImage(image: ImageInfo): Image {
  const [user = ''] = image.run.user.split(':');
  const numeric = user === '' || /^\d+$/.test(user);
  return newImage({
    id: image.id,
    repo_tags: image.repoTags,
    repo_digests: image.repoDigests,
    size: String(image.sizeBytes),
    uid: numeric ? newInt64Value({ value: user === '' ? '0' : user }) : null,
    username: numeric ? '' : user,
    spec: newImageSpec({ image: image.id }),
    pinned: image.pinned,
  });
}
