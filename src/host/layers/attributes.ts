import os from 'node:os';
import { shown } from './archive-error.js';
import type { TarEntry } from './tar-reader.js';
import { treeCalls } from './tree-calls.js';
import { treeError } from './tree-error.js';

const { EPERM, ENOTSUP } = os.constants.errno;
const droppedMax = 20;
export const defaultAclName = 'system.posix_acl_default';

/**
 * Overlayfs' own attributes would let a layer redirect others. Labels and signatures of the host's security modules are the
 * host's to give; of `security`, only file capabilities belong to an image.
 */
function isLeftOut(name: string): boolean {
  if (name === 'security.capability') return false;
  return name.startsWith('security.') || name.startsWith('trusted.overlay.');
}

/** Puts extended attributes on entries, and knows which were left out. */
export class Attributes {
  readonly dropped = new Set<string>();

  /** All but a folder's default ACL, which is given back: it is put on when nothing is made in the folder any more. */
  set(dir: number, name: string, entry: TarEntry): Buffer | undefined {
    let defaultAcl: Buffer | undefined;
    for (const [attribute, text] of entry.attributes) {
      const value = Buffer.from(text, 'latin1');
      if (isLeftOut(attribute)) this.drop(attribute);
      else if (attribute === defaultAclName && entry.type === 'dir') defaultAcl = value;
      else this.setOne(dir, name, { entry, attribute: { name: attribute, value } });
    }
    return defaultAcl;
  }

  private setOne(
    dir: number,
    name: string,
    { entry, attribute }: { entry: TarEntry; attribute: { name: string; value: Buffer } },
  ): void {
    const result = treeCalls.setAttribute(dir, name, attribute);
    if (result >= 0) return;
    // The file system has none of this sort, or not for links and devices.
    if (result === -ENOTSUP || (result === -EPERM && attribute.name.startsWith('user.'))) {
      this.drop(attribute.name);
      return;
    }
    throw treeError(result, `setting the attribute ${shown(attribute.name)} of`, entry.name);
  }

  private drop(name: string): void {
    if (this.dropped.size < droppedMax)
      this.dropped.add(Buffer.from(name, 'latin1').toString('utf8').slice(0, 255));
  }
}
