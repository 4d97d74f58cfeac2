import { asNodeletError } from '../base/errors.js';
import type { ManifestProblem } from '../spec/manifests/manifest-parse.js';
import { describeProblem } from '../spec/manifests/manifest-parse.js';
import type { PodManifest } from '../spec/manifests/pod-types.js';
import type { AgentParts } from './agent-config.js';
import { scanManifests } from './manifest-folder.js';
import type { PodSet } from './pod-set.js';

/** Keeps the pods of the manifest folder in the desired set: added, changed and removed as their files are. */
export class ManifestSync {
  private found = new Map<string, ManifestProblem[]>();

  constructor(
    private readonly parts: AgentParts,
    private readonly pods: PodSet,
    private readonly signal: AbortSignal,
  ) {}

  /** Problems of the folder's files as they stand. */
  problems(): ManifestProblem[] {
    return [...this.found.values()].flat();
  }

  /** Reads the folder and brings its pods into the desired set, one scan at a time. */
  rescan(): Promise<void> {
    return this.pods.queue.run('manifest folder', async () => {
      if (this.signal.aborted) return;
      const { files, log, config } = this.parts;
      try {
        const { pods, broken } = await scanManifests(config.manifestDir, files, log);
        for (const [file, manifests] of pods)
          for (const pod of manifests) {
            try {
              await this.pods.put(pod, { kind: 'manifest', file });
            } catch (thrown) {
              const error = asNodeletError(thrown);
              broken.set(file, [
                { kind: 'invalid', file, line: 1, field: error.field ?? '', message: error.message },
              ]);
            }
          }
        await this.dropMissing(pods, broken);
        this.tellOfProblems(broken);
      } catch (thrown) {
        log.error({ err: asNodeletError(thrown) }, 'manifest folder could not be read');
      }
    });
  }

  /** A broken file keeps its pods: only a file that can be read says that a pod is no longer wanted. */
  private async dropMissing(
    pods: Map<string, PodManifest[]>,
    broken: Map<string, ManifestProblem[]>,
  ): Promise<void> {
    for (const reconciler of this.pods.all()) {
      const { source, pod, deletion } = reconciler.record;
      if (source.kind !== 'manifest' || broken.has(source.file) || deletion !== undefined) continue;
      const wanted = pods
        .get(source.file)
        ?.some(
          ({ metadata }) =>
            metadata.name === pod.metadata.name && metadata.namespace === pod.metadata.namespace,
        );
      if (wanted !== true) await this.pods.markDeleted(reconciler);
    }
  }

  private tellOfProblems(broken: Map<string, ManifestProblem[]>): void {
    for (const [file, problems] of broken) {
      const text = problems.map(describeProblem).join('\n');
      if (text !== this.found.get(file)?.map(describeProblem).join('\n'))
        this.parts.log.error({ file, problems: text }, 'manifest refused');
    }
    this.found = broken;
  }
}
