import fs from 'node:fs';
import path from 'node:path';

/** How often a folder that isn't there is looked for. */
const lookMs = 100;

/**
 * inotify(7) on a folder, for as long as it is asked for: when the folder goes, and comes back, it is watched again and
 * all its entries are told as changed, since what happened in between went unseen.
 */
export class FolderWatch {
  private watcher: fs.FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly dir: string,
    private readonly changed: (name: string) => void,
  ) {
    this.begin();
  }

  stop(): void {
    this.watcher?.close();
    clearTimeout(this.timer);
  }

  /** True once the folder is there and watched. */
  private begin(): boolean {
    try {
      this.watcher = fs.watch(this.dir, (_event, name) => this.heard(name));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
      this.lookLater();
      return false;
    }
    this.watcher.on('error', () => this.begunAnew());
    return true;
  }

  private heard(name: string | null): void {
    // What happens to the folder itself, as its removal, comes under its own name (which an entry may have as well).
    if (name === null || name === path.basename(this.dir)) this.begunAnew();
    else this.changed(name);
  }

  private begunAnew(): void {
    this.stop();
    if (this.begin()) this.tellAll();
  }

  private lookLater(): void {
    this.timer = setTimeout(() => this.begunAnew(), lookMs);
  }

  private tellAll(): void {
    let names: string[] = [];
    try {
      names = fs.readdirSync(this.dir);
    } catch {
      // Gone again, which the watcher tells.
    }
    names.forEach(this.changed);
  }
}
