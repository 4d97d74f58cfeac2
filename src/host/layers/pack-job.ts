import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { NodeletError } from '../../base/errors.js';
import type { LayerPlaces } from '../../ports/layer-archives.js';
import { shown } from './archive-error.js';
import { readRecipe } from './recipe-reader.js';
import type { Content } from './recipe-writer.js';
import { open, treeCalls } from './tree-calls.js';

export interface PackJob {
  kind: 'pack';
  places: LayerPlaces;
  /** Pipe that takes the archive; none: it is only hashed. */
  outputFd: number | undefined;
}

const bufferBytes = 256 * 1024;

/** Makes a layer's archive again, and gives its `sha256:…`; blocks its thread. */
export function packJob({ places, outputFd }: PackJob, checkWanted: () => void): string {
  const folder = fs.openSync(places.folder, open.folder);
  const contents = new Contents(folder, places);
  const out = new Output(outputFd, checkWanted);
  try {
    for (const step of readRecipe(places.recipe)) {
      if (step.kind === 'literal') out.take(step.bytes);
      else if (step.kind === 'displaced') contents.isPassed(step.index);
      else contents.copy(step, out);
    }
    return out.finish();
  } finally {
    contents.close();
    fs.closeSync(folder);
  }
}

/** Files of the layer, or those that stood in their place at an earlier point of the archive. */
class Contents {
  /** Still to come, in the archive's order. */
  private readonly displaced: { path: string; index: number }[] = [];
  private readonly displacedFd: number;

  constructor(
    private readonly folder: number,
    places: LayerPlaces,
  ) {
    this.displacedFd = fs.existsSync(places.displaced) ? fs.openSync(places.displaced, open.folder) : -1;
    if (this.displacedFd < 0) return;
    for (const step of readRecipe(places.recipe)) if (step.kind === 'displaced') this.displaced.push(step);
  }

  isPassed(index: number): void {
    if (this.displaced[0]?.index === index) this.displaced.shift();
  }

  copy(content: Content, out: Output): void {
    const fd = this.open(content.path);
    try {
      const stat = fd < 0 ? undefined : fs.fstatSync(fd);
      if (stat?.isFile() !== true) throw lost(content, 'is not there');
      if (stat.size !== content.fileBytes)
        throw lost(content, `has ${stat.size} bytes, not ${content.fileBytes}`);
      for (let done = 0; done < content.bytes;) {
        const got = out.takeFrom(fd, content.offset + done, content.bytes - done);
        if (got === 0) throw lost(content, 'breaks off');
        done += got;
      }
    } finally {
      if (fd >= 0) treeCalls.close(fd);
    }
  }

  close(): void {
    if (this.displacedFd >= 0) fs.closeSync(this.displacedFd);
  }

  private open(path: string): number {
    const moved = this.displaced.find((other) => path === other.path || path.startsWith(`${other.path}/`));
    if (moved === undefined) return treeCalls.openPlain(this.folder, path, open.read);
    const inside = `${moved.index}${path.slice(moved.path.length)}`;
    return treeCalls.openPlain(this.displacedFd, inside, open.read);
  }
}

/** Gathers small pieces, hashes and sends them. */
class Output {
  private readonly buffer = Buffer.allocUnsafeSlow(bufferBytes);
  private readonly hash = createHash('sha256');
  private used = 0;

  constructor(
    private readonly fd: number | undefined,
    private readonly checkWanted: () => void,
  ) {}

  take(bytes: Buffer): void {
    for (let from = 0; from < bytes.length;) {
      const took = bytes.copy(this.buffer, this.used, from);
      from += took;
      this.add(took);
    }
  }

  /** Takes some bytes of a file, at most `wanted`, and says how many. */
  takeFrom(fd: number, offset: number, wanted: number): number {
    const got = fs.readSync(fd, this.buffer, this.used, Math.min(wanted, bufferBytes - this.used), offset);
    this.add(got);
    return got;
  }

  finish(): string {
    this.send();
    return `sha256:${this.hash.digest('hex')}`;
  }

  private add(bytes: number): void {
    this.used += bytes;
    if (this.used === bufferBytes) this.send();
  }

  private send(): void {
    this.checkWanted();
    const bytes = this.buffer.subarray(0, this.used);
    this.hash.update(bytes);
    if (this.fd !== undefined) {
      for (let done = 0; done < bytes.length;) done += fs.writeSync(this.fd, bytes, done);
    }
    this.used = 0;
  }
}

const lost = ({ path }: Content, why: string): NodeletError =>
  new NodeletError('corrupt', `the layer is damaged: its file ${shown(path)} ${why}`, {
    remedy: 'repair the image: nodelet image verify --repair',
  });
