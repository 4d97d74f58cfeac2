import type { PodManifest } from '../spec/manifests/pod-types.js';
import type { RetryState } from './back-off.js';
import type { PodStatus } from './pod-status.js';

/** Who asked for a pod: the API, or a file of the watched manifest folder. */
export type PodSource = { kind: 'api' } | { kind: 'manifest'; file: string };

/** A pod that shall run, or is being deleted: the agent's durable record, keyed by uid. */
export interface DesiredPod {
  version: 1;
  uid: string;
  source: PodSource;
  pod: PodManifest;
  /** Of the part that can't change in place (pod-change.ts). */
  specHash: string;
  /** Nanoseconds since the epoch, decimal. */
  createdAtNs: string;
  /** Attempts handed out so far for each container name and, under the empty name, for the sandbox. */
  attempts: Record<string, number>;
  /** Attempts that had been handed out when the pod was replaced last: restarts count from there. */
  firstAttempts: Record<string, number>;
  /** What has failed, by step: `sandbox`, `create/NAME`, `crash/NAME`. */
  retries: Record<string, RetryState>;
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
/** The image a container was made from, as its pod names it. */
export const imageAnnotation = 'nodelet.dev/image';
export const containerKindAnnotation = 'nodelet.dev/container-kind';

export function podKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** RFC 3339 time of Kubernetes objects (whole seconds); null for 0. */
export function kubeTime(ns: string | bigint): string | null {
  const ms = Number(BigInt(ns) / 1_000_000n);
  return ms === 0 ? null : new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
