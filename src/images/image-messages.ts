import { newImage, newImageSpec, newInt64Value } from '../ports/cri/messages.js';
import type { Image } from '../ports/cri/messages.js';
import type { ImageRecord } from './image-catalog.js';
import type { ImageInfo } from './images.js';
import { chainIds } from './layers/chain-ids.js';

const uidMax = 2n ** 63n - 1n;

/** An image as lists and statuses tell it: with a uid or a user name, never both; one without a user runs as root. */
export function criImage(image: ImageInfo): Image {
  const [user = ''] = image.run.user.split(':');
  const uid = user === '' ? '0' : user;
  const numeric = /^\d+$/.test(uid) && BigInt(uid) <= uidMax;
  return newImage({
    id: image.id,
    repo_tags: image.repoTags,
    repo_digests: image.repoDigests,
    size: String(image.sizeBytes),
    uid: numeric ? newInt64Value({ value: BigInt(uid).toString() }) : null,
    username: numeric ? '' : user,
    spec: newImageSpec({ image: image.id }),
    pinned: image.pinned,
  });
}

/** What `verbose` adds, in the shape that crictl and its templates know: the image's config in image-spec's own words. */
export function verboseInfo(record: ImageRecord): Record<string, string> {
  const { run, platform, created, diffIds, layers } = record;
  const asSet = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  // An image of an older version names its layers by their chain ids already.
  const chain = diffIds === undefined ? layers.toReversed() : chainIds(diffIds);
  const info = {
    chainID: chain.at(-1) ?? '',
    imageSpec: {
      created,
      architecture: platform?.architecture,
      os: platform?.os,
      variant: platform?.variant || undefined,
      config: {
        User: run.user,
        Env: run.env,
        Entrypoint: run.entrypoint,
        Cmd: run.cmd,
        WorkingDir: run.workingDir,
        StopSignal: run.stopSignal,
        Volumes: asSet(run.volumes),
        Labels: run.labels,
      },
      rootfs: { type: 'layers', diff_ids: diffIds ?? [] },
    },
    layers: chain.map((chainID) => ({ chainID })),
  };
  return { info: JSON.stringify(info) };
}
