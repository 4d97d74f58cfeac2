import { createHash } from 'node:crypto';
import type { PodContainer, PodManifest } from '../spec/manifests/pod-types.js';

/** Annotations that nodelet itself reads; all others are the user's and change nothing that runs. */
const ownAnnotations = /^nodelet\.dev\//;

/**
 * What of a pod can't change under its running containers: all of the spec but images and the grace period, which
 * Kubernetes lets be updated, too, and nodelet's own annotations.
 */
function fixedPart({ spec, metadata }: PodManifest): unknown {
  const withoutImage = ({ image: _image, ...rest }: PodContainer) => rest;
  const {
    terminationGracePeriodSeconds: _grace,
    nodeName: _node,
    containers,
    initContainers,
    ...rest
  } = spec;
  return {
    spec: {
      ...rest,
      containers: containers.map(withoutImage),
      initContainers: initContainers.map(withoutImage),
    },
    annotations: Object.fromEntries(
      Object.entries(metadata.annotations).filter(([name]) => ownAnnotations.test(name)),
    ),
  };
}

/** Identity of a pod's fixed part: sandboxes made from another one are replaced. Key order doesn't count. */
export function fixedHash(pod: PodManifest): string {
  return createHash('sha256')
    .update(canonical(fixedPart(pod)))
    .digest('hex')
    .slice(0, 16);
}

export interface PodChange {
  /** `labels`: nothing that runs is touched; `images`: those containers restart; `replace`: the whole pod does. */
  kind: 'none' | 'labels' | 'images' | 'replace';
  /** What can't change in place, e.g. `spec.volumes`, `spec.containers`. */
  fixedFields: string[];
}

export function changeOf(before: PodManifest, after: PodManifest): PodChange {
  const [old, now] = [fixedPart(before), fixedPart(after)] as { spec: object; annotations: object }[];
  const fixedFields = differing({ ...old?.spec }, { ...now?.spec }).map((name) => `spec.${name}`);
  if (canonical(old?.annotations) !== canonical(now?.annotations)) fixedFields.push('metadata.annotations');
  if (fixedFields.length > 0) return { kind: 'replace', fixedFields };
  const images = ({ spec }: PodManifest): string[] =>
    [...spec.initContainers, ...spec.containers].map(({ image }) => image);
  if (canonical(images(before)) !== canonical(images(after))) return { kind: 'images', fixedFields };
  const rest = ({ metadata: { labels, annotations }, spec }: PodManifest) =>
    canonical({ labels, annotations, grace: spec.terminationGracePeriodSeconds });
  return { kind: rest(before) === rest(after) ? 'none' : 'labels', fixedFields };
}

function differing(before: Record<string, unknown>, after: Record<string, unknown>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => canonical(before[name]) !== canonical(after[name]));
}

function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, entry: unknown) =>
      typeof entry === 'object' && entry !== null && !Array.isArray(entry)
        ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
        : entry,
    ) ?? ''
  );
}
