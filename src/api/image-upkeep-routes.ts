import type { Images } from '../images/images.js';
import { Query } from './request-read.js';
import type { Route } from './routes.js';

/** What people do with the images of the node and CRI has no call for. */
export function imageUpkeepRoutes({ gc }: Pick<Images, 'gc'>): Route[] {
  return [
    {
      method: 'POST',
      path: '/nodelet/v1/images/prune',
      handle: async ({ query: given }) => {
        const query = new Query(given, ['all', 'dryRun']);
        return { body: await gc.prune({ all: query.flag('all'), dryRun: query.flag('dryRun') }) };
      },
    },
  ];
}
