import type { ImageId } from '../../base/ids.js';
import type { RecordTable } from '../../ports/record-store.js';

export interface ImageUseRecord {
  lastUsedMs: number;
}

interface PendingPod {
  name: string;
  sinceMs: number;
}

/**
 * When each image was last used. A use is told in memory, which costs a start of a container nothing, and is written down by
 * `save`: a crash loses the uses since, and such an image then counts as used when its older record says.
 */
export class ImageUses {
  private readonly usedMs = new Map<string, number>();
  private readonly unsaved = new Set<string>();
  private readonly pods = new Map<string, PendingPod[]>();

  constructor(
    private readonly records: RecordTable<ImageUseRecord>,
    private readonly nowMs: () => number,
  ) {
    for (const [id, { lastUsedMs }] of records.entries()) this.usedMs.set(id, lastUsedMs);
  }

  /** The image is used now. */
  touch(id: ImageId): void {
    this.usedMs.set(id, this.nowMs());
    this.unsaved.add(id);
  }

  /** The image was pulled for a pod, which has no container of it yet. */
  pulledFor(id: ImageId, podName: string): void {
    const others = (this.pods.get(id) ?? []).filter(({ name }) => name !== podName);
    this.pods.set(id, [...others, { name: podName, sinceMs: this.nowMs() }]);
  }

  /** A container of the image is there: its record tells of it from now on. */
  claimed(id: ImageId): void {
    this.touch(id);
    this.pods.delete(id);
  }

  /** Pods for which it was pulled within `patienceMs` and that have no container of it. */
  awaitingPods(id: ImageId, patienceMs: number): string[] {
    const fresh = (this.pods.get(id) ?? []).filter(({ sinceMs }) => this.nowMs() - sinceMs < patienceMs);
    if (fresh.length === 0) this.pods.delete(id);
    return fresh.map(({ name }) => name);
  }

  /** When it was last used; an image that was never heard of is taken for used now. */
  lastUsedMs(id: ImageId): number {
    const known = this.usedMs.get(id);
    if (known !== undefined) return known;
    this.touch(id);
    return this.nowMs();
  }

  /** Writes down what is new, and forgets images that are gone. */
  async save(present: ReadonlySet<string>): Promise<void> {
    const gone = [...this.usedMs.keys()].filter((id) => !present.has(id));
    for (const id of gone) {
      this.usedMs.delete(id);
      this.unsaved.delete(id);
      this.pods.delete(id);
      await this.records.remove(id);
    }
    for (const id of [...this.unsaved]) {
      await this.records.put(id, { lastUsedMs: this.usedMs.get(id) ?? this.nowMs() });
      this.unsaved.delete(id);
    }
  }
}
