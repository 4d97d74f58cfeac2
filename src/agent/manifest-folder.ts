import { join } from 'node:path';
import type { Log } from '../base/call-context.js';
import { asNodeletError } from '../base/errors.js';
import type { Files } from '../ports/files.js';
import type { ManifestProblem } from '../spec/manifests/manifest-parse.js';
import { describeProblem, manifestMaxBytes, parseManifest } from '../spec/manifests/manifest-parse.js';
import type { PodManifest } from '../spec/manifests/pod-types.js';

export interface FolderScan {
  /** Pods of each readable file. */
  pods: Map<string, PodManifest[]>;
  /** Files with problems: their pods stay as they are until the file is put right. */
  broken: Map<string, ManifestProblem[]>;
}

/** Reads all manifests of the folder: `.yaml`, `.yml` and `.json`, hidden files left out. Never throws for a file's sake. */
export async function scanManifests(dir: string, files: Files, log: Log): Promise<FolderScan> {
  const scan: FolderScan = { pods: new Map(), broken: new Map() };
  for (const file of await files.list(dir)) {
    if (file.startsWith('.') || !/\.(ya?ml|json)$/.test(file)) continue;
    try {
      const { sizeBytes = 0 } = (await files.stat(join(dir, file))) ?? {};
      if (sizeBytes > manifestMaxBytes) throw new Error(`it is larger than ${manifestMaxBytes} bytes`);
      const content = await files.read(join(dir, file));
      if (content === undefined) continue;
      const { pods, problems } = parseManifest(content.toString('utf8'), file);
      if (problems.length === 0) scan.pods.set(file, pods);
      else scan.broken.set(file, problems);
    } catch (thrown) {
      const message = `cannot be read: ${asNodeletError(thrown).describe()}`;
      scan.broken.set(file, [{ kind: 'invalid', file, line: 1, field: '', message }]);
    }
  }
  for (const [file, problems] of scan.broken)
    log.debug({ file, problems: problems.map(describeProblem) }, 'manifest has problems');
  return scan;
}
