import type { ManifestProblem } from './manifest-parse.js';
import { manifestError, parseManifest } from './manifest-parse.js';
import type { PodManifest } from './pod-types.js';

export interface ManifestText {
  /** What messages call it: a file's path, or `stdin`. */
  source: string;
  text: string;
}

/** The pods of several manifests; throws all problems of all of them at once, a pod that two of them hold among these. */
export function podsOfAll(manifests: readonly ManifestText[]): PodManifest[] {
  const problems: ManifestProblem[] = [];
  const sources = new Map<string, string>();
  const pods: PodManifest[] = [];
  for (const { source, text } of manifests) {
    const parsed = parseManifest(text, source);
    problems.push(...parsed.problems);
    for (const pod of parsed.pods) {
      const place = `${pod.metadata.namespace}/${pod.metadata.name}`;
      const other = sources.get(place);
      if (other !== undefined)
        problems.push({
          kind: 'invalid',
          file: source,
          line: 1,
          field: 'metadata.name',
          message: `pod ${place} is in ${other}, too`,
        });
      sources.set(place, source);
      pods.push(pod);
    }
  }
  if (problems.length > 0) throw manifestError(problems);
  return pods;
}
