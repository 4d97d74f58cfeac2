import { NodeletError } from '../base/errors.js';
import type { Images } from '../images/images.js';
import { Query } from './request-read.js';
import type { Route } from './routes.js';

/** What people do with the images of the node and CRI has no call for. */
export function imageUpkeepRoutes({ gc, edits, history }: Pick<Images, 'gc' | 'edits' | 'history'>): Route[] {
  return [
    {
      method: 'POST',
      path: '/nodelet/v1/images/prune',
      handle: async ({ query: given }) => {
        const query = new Query(given, ['all', 'dryRun']);
        return { body: await gc.prune({ all: query.flag('all'), dryRun: query.flag('dryRun') }) };
      },
    },
    {
      method: 'POST',
      path: '/nodelet/v1/images/tag',
      handle: async ({ query: given }) => {
        const query = new Query(given, ['source', 'name']);
        const names = { source: required(query, 'source'), name: required(query, 'name') };
        return { body: { name: await edits.tag(names) } };
      },
    },
    {
      method: 'GET',
      path: '/nodelet/v1/images/history',
      handle: async ({ query }) => ({
        body: await history(required(new Query(query, ['reference']), 'reference')),
      }),
    },
    {
      method: 'DELETE',
      path: '/nodelet/v1/images',
      handle: async ({ query: given }) => {
        const query = new Query(given, ['reference', 'force']);
        const reference = required(query, 'reference');
        return { body: await edits.removeName(reference, { force: query.flag('force') }) };
      },
    },
  ];
}

function required(query: Query, name: string): string {
  const value = query.text(name);
  if (value !== undefined) return value;
  throw new NodeletError('invalid', 'is required', { field: name, remedy: `add ?${name}=…` });
}
