import { NodeletError } from '../base/errors.js';
import type { Images } from '../images/images.js';
import { Query } from './request-read.js';
import { imageUpkeepRoutes } from './image-upkeep-routes.js';
import type { Route } from './routes.js';

/** What the API needs of the images. */
export type ApiImages = Pick<Images, 'resolve' | 'gc' | 'edits' | 'history'>;

/** What the API tells of images; all else about them is CRI's. */
export function imageRoutes(images: ApiImages): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodelet/v1/images/resolve',
      handle: async ({ query, signal }) => {
        const reference = new Query(query, ['reference']).text('reference');
        if (reference === undefined) {
          throw new NodeletError('invalid', 'is required', {
            field: 'reference',
            remedy: 'name an image: ?reference=registry/name:tag',
          });
        }
        return { body: await images.resolve(reference, signal) };
      },
    },
    ...imageUpkeepRoutes(images),
  ];
}
