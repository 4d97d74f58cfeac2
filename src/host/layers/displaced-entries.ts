import fs from 'node:fs';
import { hostile } from './archive-error.js';
import type { RecipeWriter } from './recipe-writer.js';
import { open, treeCalls } from './tree-calls.js';
import { must, treeError } from './tree-error.js';
import type { OpenFolder, TreeFolders } from './tree-folders.js';
import { fileType, isWhiteout, join } from './tree-folders.js';

/** No honest archive replaces so many of its own entries. */
const displacedMax = 10_000;

/**
 * What later entries of an archive replace. Files with content, and folders that may hold such, are moved aside, since the
 * archive can't be made again without them; all else is in the recipe's headers.
 */
export class DisplacedEntries {
  private fd = -1;
  private count = 0;

  constructor(
    private readonly dir: string,
    private readonly recipe: RecipeWriter,
    private readonly folders: TreeFolders,
  ) {}

  /** Takes an entry out of the way of another one, and says what it was; a folder is kept where a folder comes. */
  clear(folder: OpenFolder, name: string, forFolder: boolean): 'kept' | 'whiteout' | 'other' {
    const stat = treeCalls.stat(folder.fd, name);
    if (typeof stat === 'number') throw treeError(stat, 'looking at', name);
    const type = stat.mode & fileType.mask;
    if (type === fileType.dir && forFolder) return 'kept';
    if (type === fileType.dir || type === fileType.file) this.moveAside(folder, name);
    else must(treeCalls.unlink(folder.fd, name), 'replacing', name);
    // A folder or a symlink may have been on the way to folders that are open.
    if (type !== fileType.file) this.folders.forget();
    return isWhiteout(stat) ? 'whiteout' : 'other';
  }

  close(): void {
    if (this.fd >= 0) treeCalls.close(this.fd);
  }

  private moveAside(folder: OpenFolder, name: string): void {
    if (this.fd < 0) {
      fs.mkdirSync(this.dir, { mode: 0o700 });
      this.fd = fs.openSync(this.dir, open.folder);
    }
    const index = this.count;
    this.count += 1;
    if (this.count > displacedMax) throw hostile(`it replaces more than ${displacedMax} of its own entries`);
    const to = { dir: this.fd, name: String(index) };
    must(treeCalls.rename({ dir: folder.fd, name }, to), 'replacing', name);
    this.recipe.displaced(join(folder.path, name), index);
  }
}
