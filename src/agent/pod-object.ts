import type { PodManifest } from '../spec/manifests/pod-types.js';
import type { AgentConfig } from './agent-config.js';
import { kubeTime } from './desired-pod.js';
import type { PodReconciler } from './pod-reconciler.js';
import type { PodStatus } from './pod-status.js';
import { podStatus } from './pod-status.js';

/** A pod as Kubernetes' API shows it. */
export interface PodObject {
  apiVersion: 'v1';
  kind: 'Pod';
  metadata: PodManifest['metadata'] & {
    creationTimestamp: string | null;
    deletionTimestamp?: string | null;
    deletionGracePeriodSeconds?: number;
  };
  spec: PodManifest['spec'] & { nodeName: string };
  status: PodStatus;
}

export function podObject({ record, view, waiting }: PodReconciler, config: AgentConfig): PodObject {
  const { pod, deletion, uid } = record;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...pod.metadata,
      uid,
      creationTimestamp: kubeTime(record.createdAtNs),
      ...(deletion === undefined
        ? {}
        : {
            deletionTimestamp: kubeTime(deletion.requestedAtNs),
            deletionGracePeriodSeconds: deletion.graceSeconds,
          }),
    },
    spec: { ...pod.spec, nodeName: config.nodeName },
    status: podStatus(record, view, waiting, config.hostIp ?? ''),
  };
}
