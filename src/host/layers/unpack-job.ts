import type { LayerLimits, LayerPlaces, UnpackedArchive } from '../../ports/layer-archives.js';
import { ArchiveInput } from './archive-input.js';
import { BlockSource } from './block-source.js';
import { decompressorFor } from './decompressor.js';
import { LayerTree } from './layer-tree.js';
import { RecipeWriter } from './recipe-writer.js';
import { TarReader } from './tar-reader.js';

export interface UnpackJob {
  kind: 'unpack';
  places: LayerPlaces;
  limits: LayerLimits;
  /** Pipe that the compressed archive comes from. */
  inputFd: number;
  umask: number;
}

const blockBytes = 4096;

/** Unpacks what comes from a pipe; blocks its thread. `checkWanted` throws when nobody wants the layer any more. */
export function unpackJob(
  { places, limits, inputFd, umask }: UnpackJob,
  checkWanted: () => void,
): UnpackedArchive {
  const input = new ArchiveInput(inputFd);
  const decompressor = decompressorFor(input);
  const recipe = new RecipeWriter(places.recipe);
  try {
    const source = new BlockSource({ input, decompressor, limits, checkWanted });
    const { folder: target, displaced } = places;
    const tree = new LayerTree({ target, displaced, source, recipe, umask });
    try {
      const literal = (block: Buffer): void => recipe.literal(block);
      const reader = new TarReader(source, { maxEntries: limits.maxEntries, literal });
      for (let entry = reader.next(); entry !== undefined; entry = reader.next()) tree.add(entry);
      tree.finish();
      // What follows the archive's end mark belongs to the layer's digest all the same.
      for (let rest = source.rest(); rest !== undefined; rest = source.rest()) literal(rest);
      recipe.finish();
      const recipeBytes = Math.ceil(recipe.writtenBytes / blockBytes) * blockBytes;
      return {
        diffId: source.digest(),
        diskBytes: tree.diskBytes + recipeBytes,
        inodes: tree.inodes + 1,
        droppedAttributes: [...tree.attributes.dropped],
      };
    } finally {
      tree.close();
    }
  } finally {
    recipe.close();
    decompressor.close();
  }
}
