import type { Command } from 'commander';
import { backgroundContext } from '../base/call-context.js';
import { NodeletError, isKind } from '../base/errors.js';
import type { CriClient } from '../cri/client.js';
import type { ImageResolveOptions } from './image-resolve-command.js';
import { addImageResolve } from './image-resolve-command.js';
import { noDaemon } from './api-client.js';
import type { ImagePruneOptions } from './image-prune-command.js';
import { addImagePrune } from './image-prune-command.js';
import { addImageNameCommands } from './image-name-commands.js';
import type { ImageShape, ImageTableOptions } from './image-table.js';
import { imageTable, imagesNamed } from './image-table.js';

export interface ImageCommandOptions extends ImageResolveOptions, ImagePruneOptions {
  /** Path of the CRI socket, read after the flags were parsed. */
  socketPath: () => string;
}

/** Pulling a large image over a slow line takes long; nothing useful takes longer than this. */
const pullTimeoutMs = 30 * 60_000;

const wallClock = { nowNs: () => BigInt(Date.now()) * 1_000_000n };

/** Adds `image ls|pull|inspect`, which go over CRI as any client's calls would, and what CRI doesn't have. */
export function addImageCommands(program: Command, options: ImageCommandOptions): void {
  const { socketPath, out } = options;
  const withClient = async (use: (client: CriClient) => Promise<void>): Promise<void> => {
    // gRPC takes longer to load than all the rest: only these commands need it.
    const { createCriClient } = await import('../cri/client.js');
    const client = createCriClient({ socketPath: socketPath(), clock: wallClock, timeoutMs: pullTimeoutMs });
    try {
      await use(client);
    } catch (thrown) {
      // A registry may refuse connections, too: only the message about the socket itself tells of the daemon.
      const isAbsent =
        thrown instanceof Error &&
        /ENOENT|ECONNREFUSED/.test(thrown.message) &&
        thrown.message.includes(socketPath().replace(/^unix:\/\//, ''));
      throw isKind(thrown, 'unavailable') && isAbsent
        ? noDaemon(socketPath(), '--cri-socket', thrown)
        : thrown;
    } finally {
      client.close();
    }
  };
  /** ImageStatus' answer; `not-found` when the node has no such image. */
  const statusOf = async (client: CriClient, reference: string): Promise<object> => {
    const request = { image: { image: reference }, verbose: true };
    const answer = await client.call('ImageService', 'ImageStatus', request, backgroundContext());
    const { image: found } = answer as { image?: ImageShape | null };
    if (!found) throw new NodeletError('not-found', `no image ${reference} on this node`);
    return answer as object;
  };
  const image = program.command('image').description('list, pull, inspect, name and remove images');
  image
    .command('ls')
    .argument(
      '[name]',
      'those of this name alone: with a tag, without one for all its tags, * for any characters',
    )
    .description('list images')
    .option('-q, --quiet', 'ids alone', false)
    .option('--digests', 'with the digests of names', false)
    .option('--no-trunc', 'ids as long as they are')
    .action((name: string | undefined, table: ImageTableOptions) =>
      withClient(async (client) => {
        const answer = await client.call('ImageService', 'ListImages', {}, backgroundContext());
        const { images = [] } = answer as { images?: ImageShape[] };
        out(imageTable(name === undefined ? images : imagesNamed(images, name), table));
      }),
    );
  image
    .command('pull')
    .argument('<reference>')
    .description('fetch an image from its registry')
    .action((reference: string) =>
      withClient(async (client) => {
        const request = { image: { image: reference } };
        const answer = await client.call('ImageService', 'PullImage', request, backgroundContext());
        out(`${(answer as { image_ref?: string }).image_ref ?? reference}\n`);
      }),
    );
  image
    .command('inspect')
    .argument('<reference>')
    .description('show an image as JSON')
    .action((reference: string) =>
      withClient(async (client) => {
        out(`${JSON.stringify(await statusOf(client, reference), null, 2)}\n`);
      }),
    );
  addImageResolve(image, options);
  addImagePrune(image, options);
  addImageNameCommands(image, options);
}
