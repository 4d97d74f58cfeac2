import fs from 'node:fs/promises';
import path from 'node:path';
import { absentAsUndefined } from './absent.js';

/** As many as the kernel follows, path_resolution(7). */
const maxLinks = 40;

/** Follows every symlink as a process would whose root is `root`: none leads out of it. Undefined where it leads to nothing. */
export async function realPathIn(root: string, wanted: string): Promise<string | undefined> {
  const waiting = partsOf(wanted);
  const place: string[] = [];
  let links = 0;
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    if (part === '..') {
      place.pop();
      continue;
    }
    const at = path.join(root, ...place, part);
    const stat = await fs.lstat(at).catch(absentAsUndefined);
    if (stat === undefined) return undefined;
    if (!stat.isSymbolicLink()) {
      if (waiting.length > 0 && !stat.isDirectory()) return undefined;
      place.push(part);
      continue;
    }
    if (++links > maxLinks) return undefined;
    const target = await fs.readlink(at);
    if (target.startsWith('/')) place.length = 0;
    waiting.unshift(...partsOf(target));
  }
  return path.join(root, ...place);
}

const partsOf = (text: string) => text.split('/').filter((part) => part !== '' && part !== '.');
