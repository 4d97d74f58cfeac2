import type { RecordTable } from '../../ports/record-store.js';
import { chainIds } from './chain-ids.js';
import type { LayerRecord } from './layer-store.js';

interface MigratedTables {
  images: RecordTable<{ layers: string[]; diffIds?: string[] }>;
  snapshots: RecordTable<{ layers: string[] }>;
  layers: RecordTable<LayerRecord>;
}

/**
 * Layers were once known by their chain ids. Those of images whose diff ids are on record get these for keys, with all who name
 * them; others keep the keys that they have, which serve as well. A crash in between leaves two keys for one folder, and
 * the next start goes on.
 */
export async function moveToDiffIds({ images, snapshots, layers }: MigratedTables): Promise<void> {
  const diffIdOf = new Map<string, string>();
  for (const [, { diffIds = [] }] of images.entries()) {
    chainIds(diffIds).forEach((chainId, index) => diffIdOf.set(chainId, diffIds[index] ?? ''));
  }
  const moved = new Set<string>();
  for (const [key, record] of layers.entries()) {
    const diffId = diffIdOf.get(key) ?? key;
    if (diffId === key) continue;
    if (layers.get(diffId) === undefined) await layers.put(diffId, record);
    moved.add(key);
  }
  const renamed = (keys: readonly string[]): string[] =>
    keys.map((key) => (moved.has(key) ? (diffIdOf.get(key) ?? key) : key));
  for (const table of [images, snapshots]) {
    for (const [id, user] of table.entries()) {
      if (user.layers.some((key) => moved.has(key))) {
        await (table as RecordTable<{ layers: string[] }>).put(id, { ...user, layers: renamed(user.layers) });
      }
    }
  }
  for (const key of moved) await layers.remove(key);
}
