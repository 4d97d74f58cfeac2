import type { ExtractEvents, Header } from 'tar-stream';
import { extract } from 'tar-stream';
import { NodeletError } from '../base/errors.js';

/** What an archive says of itself, before anything of it is unpacked. */
export interface LayerSurvey {
  /** Names of whiteouts, image-spec layer.md, as they stand in the archive. */
  whiteouts: string[];
  /** What the unpacked layer takes on a disk of 4 KiB blocks, bytes; never 0, which CRI's clients take for an error. */
  diskBytes: number;
  inodes: number;
}

export const whiteoutPrefix = '.wh.';
const blockBytes = 4096;
/** The layer's own folder, whether the archive has an entry for it or not. */
const rootNames = ['', '.', './', '/'];

/** Reads the headers of a tar archive as it streams by; errors are of kind `corrupt`. */
export class LayerSurveyor {
  private readonly survey: LayerSurvey = { whiteouts: [], diskBytes: blockBytes, inodes: 1 };
  // Also the oldest format, which has no magic; the package's types don't know of the option.
  private readonly archive = extract({ allowUnknownFormat: true } as object);
  private readonly ended: Promise<void>;

  constructor() {
    this.ended = new Promise((resolve, reject) => {
      this.archive.on('finish', () => resolve());
      this.archive.on('error', (error: Error) =>
        reject(error instanceof NodeletError ? error : broken(error.message)),
      );
    });
    // It is awaited by whoever takes the next step; until then it isn't unheard.
    this.ended.catch(() => undefined);
    this.archive.on('entry', (...[header, body, next]: ExtractEvents['entry']) => {
      // An entry's body fails with its archive, where the failure is told.
      body.on('error', () => undefined);
      try {
        note(this.survey, header);
      } catch (thrown) {
        this.archive.destroy(thrown as Error);
        return;
      }
      body.on('end', () => next());
      body.resume();
    });
  }

  async take(chunk: Buffer): Promise<void> {
    if (!this.archive.destroying && this.archive.write(chunk)) return;
    const drained = new Promise<void>((resolve) => this.archive.once('drain', () => resolve()));
    await Promise.race([drained, this.ended]);
  }

  async end(): Promise<LayerSurvey> {
    this.archive.end(undefined);
    await this.ended;
    return this.survey;
  }
}

function note(survey: LayerSurvey, { name, type, size, linkname }: Header): void {
  const parts = name.split('/');
  if (parts.includes('..')) throw hostile(`the entry "${name}" climbs out of the layer`);
  if (type === 'link' && linkname.split('/').includes('..')) {
    throw hostile(`the hard link "${name}" leads out of the layer`);
  }
  if (parts.some((part) => part.startsWith(whiteoutPrefix))) {
    if (name.includes('\ufffd')) throw hostile(`the whiteout "${name}" has a name that is not UTF-8`);
    if (parts.at(-1)?.startsWith(whiteoutPrefix) === true) survey.whiteouts.push(name);
    else throw hostile(`the entry "${name}" is below a whiteout`);
  }
  // A hard link is one more name of an inode that was counted.
  if (type === 'link' || rootNames.includes(name)) return;
  survey.inodes += 1;
  const bytes = type === 'directory' ? blockBytes : type === 'file' || type === 'contiguous-file' ? size : 0;
  survey.diskBytes += Math.ceil(bytes / blockBytes) * blockBytes;
}

const hostile = (what: string): NodeletError =>
  new NodeletError('corrupt', what, {
    field: 'manifest.layers',
    remedy: 'the image is damaged or hostile; nothing of it was kept',
  });

const broken = (why: string): NodeletError =>
  new NodeletError('corrupt', `the layer is no tar archive: ${why}`, {
    field: 'manifest.layers',
    remedy: 'push the image again; nothing of it was kept',
  });
