import { hostile, shown } from './archive-error.js';
import { split } from './tree-folders.js';

const prefix = '.wh.';
const opaqueMarker = '.wh..wh..opq';
/** Names that AUFS kept for itself; they hide nothing. */
const reservedPrefix = '.wh..wh.';

/** What an entry of the archive hides, image-spec layer.md. */
export type Whiteout =
  { kind: 'entry'; folder: string; name: string } | { kind: 'opaque'; folder: string } | { kind: 'reserved' };

/** Undefined for an ordinary entry. Takes a clean name. */
export function whiteoutOf(name: string): Whiteout | undefined {
  if (!name.includes(prefix)) return undefined;
  const [folder, base] = split(name);
  const above = folder.split('/').find((part) => part.startsWith(prefix));
  if (above?.startsWith(reservedPrefix) === true && above !== opaqueMarker) return { kind: 'reserved' };
  if (above !== undefined) throw hostile(`the entry ${shown(name)} is below a whiteout`);
  if (!base.startsWith(prefix)) return undefined;
  if (base === opaqueMarker) return { kind: 'opaque', folder };
  if (base.startsWith(reservedPrefix)) return { kind: 'reserved' };
  const hidden = base.slice(prefix.length);
  if (['', '.', '..'].includes(hidden)) throw hostile(`the whiteout ${shown(name)} names no entry`);
  return { kind: 'entry', folder, name: hidden };
}
