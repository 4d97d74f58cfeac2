import fs from 'node:fs';
import path from 'node:path';
import type { Host } from '../ports/host.js';

/** A manifest, index or config as it came. */
export interface ImageDocument {
  digest: string;
  bytes: Buffer;
}

/**
 * Small blobs by digest, byte for byte as they came, since a digest is of bytes and not of what they mean: manifests, indexes and
 * configs of images, below `dir/ALGORITHM/HEX`.
 */
export class DocumentStore {
  private readonly holds = new Map<string, number>();

  constructor(
    private readonly dir: string,
    private readonly host: Pick<Host, 'files' | 'layerFiles'>,
  ) {}

  /** Removes what a crash has left half written. */
  async start(): Promise<void> {
    for (const algorithm of await this.host.files.list(this.dir)) {
      for (const name of await this.host.files.list(path.join(this.dir, algorithm))) {
        if (name.endsWith(temporaryMark))
          await this.host.files.removeTree(path.join(this.dir, algorithm, name));
      }
    }
  }

  read(digest: string): Promise<Buffer | undefined> {
    return this.host.files.read(this.place(digest));
  }

  /** Writes documents to the disk for good, and keeps them from being removed until the returned function is called. */
  async put(documents: readonly ImageDocument[]): Promise<() => void> {
    const digests = documents.map(({ digest }) => digest);
    for (const digest of digests) this.holds.set(digest, (this.holds.get(digest) ?? 0) + 1);
    const release = (): void => {
      for (const digest of digests.splice(0)) {
        const others = (this.holds.get(digest) ?? 1) - 1;
        if (others > 0) this.holds.set(digest, others);
        else this.holds.delete(digest);
      }
    };
    try {
      for (const document of documents) await this.write(document);
    } catch (thrown) {
      release();
      throw thrown;
    }
    return release;
  }

  /** Removes every document that nobody holds and `used` doesn't name. */
  async removeUnused(used: ReadonlySet<string>): Promise<void> {
    for (const algorithm of await this.host.files.list(this.dir)) {
      for (const hex of await this.host.files.list(path.join(this.dir, algorithm))) {
        const digest = `${algorithm}:${hex}`;
        if (used.has(digest) || this.holds.has(digest) || hex.endsWith(temporaryMark)) continue;
        await this.host.files.removeTree(this.place(digest));
      }
    }
  }

  private async write({ digest, bytes }: ImageDocument): Promise<void> {
    const place = this.place(digest);
    const folder = path.dirname(place);
    // The name is the digest: what is there is the same.
    if ((await this.host.files.stat(place))?.sizeBytes === bytes.length) return;
    await this.host.files.makeDir(folder, 0o700);
    const temporary = `${place}.${(writes += 1)}${temporaryMark}`;
    const file = await fs.promises.open(temporary, 'w', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.host.files.rename(temporary, place);
    await this.host.layerFiles.syncFolder(folder);
  }

  private place(digest: string): string {
    return path.join(this.dir, ...digest.split(':'));
  }
}

const temporaryMark = '.tmp';
let writes = 0;
