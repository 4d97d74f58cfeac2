import { createHash } from 'node:crypto';
import type { PodManifest } from '../spec/pod-types.js';
import type { PodStatus } from './pod-status.js';

/** Who asked for a pod: the API, or a file of the watched manifest folder. */
export type PodSource = { kind: 'api' } | { kind: 'manifest'; file: string };

/** A pod that shall run, or is being deleted: the agent's durable record, keyed by uid. */
export interface DesiredPod {
  version: 1;
  uid: string;
  source: PodSource;
  pod: PodManifest;
  specHash: string;
  /** Nanoseconds since the epoch, decimal. */
  createdAtNs: string;
  /** Attempts handed out so far for each container name and, under the empty name, for the sandbox. */
  attempts: Record<string, number>;
  deletion?: { requestedAtNs: string; graceSeconds: number };
  /** Set once the pod has run to its end: its containers are never started again. */
  finished?: PodStatus;
}

export const desiredPodTable = 'agent-pods';

/** Labels and annotations by which the agent finds its sandboxes and containers again, the first four as the kubelet names them. */
export const labelNames = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;
export const specHashAnnotation = 'nodelet.dev/spec-hash';
export const containerKindAnnotation = 'nodelet.dev/container-kind';

/** Identity of what a pod runs: sandboxes made from another hash are replaced. Key order doesn't count. */
export function specHash(pod: PodManifest): string {
  const { labels, annotations } = pod.metadata;
  return createHash('sha256')
    .update(canonical({ spec: pod.spec, labels, annotations }))
    .digest('hex')
    .slice(0, 16);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}

export function podKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** RFC 3339 time of Kubernetes objects (whole seconds); null for 0. */
export function kubeTime(ns: string | bigint): string | null {
  const ms = Number(BigInt(ns) / 1_000_000n);
  return ms === 0 ? null : new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
