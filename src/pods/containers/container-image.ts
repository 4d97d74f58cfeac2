import { NodeletError } from '../../base/errors.js';
import { isReferredTo, toldNames } from '../../images/image-names.js';
import type { ImageInfo } from '../../images/images.js';
import type { ImageSpec } from '../../ports/cri/messages.js';
import { newImageSpec } from '../../ports/cri/messages.js';
import { validateImageSpec } from '../../spec/image-spec-validate.js';
import type { ContainerRecord } from '../../state/records.js';
import type { Pods } from '../pods.js';

/** The image that a container is to be made of, and how its record names it. */
export interface ContainerImage {
  image: ImageInfo;
  names: Pick<ContainerRecord, 'imageRef' | 'imageId' | 'imageDigest'>;
}

/** Finds the image of a CreateContainer request; `not-found` naming the field where the node has none. */
export function containerImage(pods: Pods, asked: ImageSpec | null): ContainerImage {
  const { images, runner } = pods.parts;
  const spec = validateImageSpec(asked, { field: 'config.image', handlers: runner.handlers() });
  const image = images.lookup(spec.image, 'config.image.image');
  if (image === undefined) {
    throw new NodeletError('not-found', `image "${spec.image}" is not on this node`, {
      field: 'config.image.image',
      remedy: 'pull it first',
    });
  }
  if (!isReferredTo(image, spec)) {
    throw new NodeletError('not-found', `image "${spec.image}" is ${image.id}, not ${spec.image_ref}`, {
      field: 'config.image.image_ref',
      remedy: 'pull it again, or leave the field out',
    });
  }
  const { reference, digest } = toldNames(image, spec);
  return { image, names: { imageRef: reference, imageId: image.id, imageDigest: digest } };
}

/**
 * A container's image as lists, statuses and events tell it. No runtime handler is told, since images have none here:
 * a kubelet compares the pair of id and handler with those of the images when it looks for unused ones.
 */
export function toldImage(record: ContainerRecord): {
  image: ImageSpec;
  image_ref: string;
  image_id: string;
} {
  return {
    image: newImageSpec({ ...record.config.image, image: record.imageRef, runtime_handler: '' }),
    image_ref: record.imageDigest || record.imageId,
    image_id: record.imageId,
  };
}
