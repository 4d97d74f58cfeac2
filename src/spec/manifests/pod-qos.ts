import { milliCpu, quantityBytes } from './pod-quantity.js';
import type { PodContainer, PodManifest } from './pod-types.js';

/** Kubernetes' classes of service: who is ended first when the machine runs out of memory. */
export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** What the kubelet gives each class, kernel units of -1000 to 1000; Burstable lies between by what it requests. */
const oomScore = { guaranteed: -997, bestEffort: 1000, burstableMin: 2, burstableMax: 999 };

/** Guaranteed: all containers have limits, and request no less; BestEffort: none asks for anything. */
export function qosClass({ spec }: PodManifest): QosClass {
  const all = [...spec.initContainers, ...spec.containers].map(({ resources = {} }) => resources);
  const amounts = all.flatMap(({ limits = {}, requests = {} }) => [
    ...[limits.cpu, requests.cpu].map((amount) => milliCpu(amount ?? 0)),
    ...[limits.memory, requests.memory].map((amount) => quantityBytes(amount ?? 0)),
  ]);
  if (amounts.every((amount) => amount === 0)) return 'BestEffort';
  const guaranteed = all.every(({ limits = {}, requests = {} }) => {
    if (limits.cpu === undefined || limits.memory === undefined) return false;
    // A request that isn't there is the limit.
    const sameCpu = milliCpu(requests.cpu ?? limits.cpu) === milliCpu(limits.cpu);
    return sameCpu && quantityBytes(requests.memory ?? limits.memory) === quantityBytes(limits.memory);
  });
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** oom_score_adj of a container by its pod's class: the more of the machine's memory it requests, the later it is ended. */
export function oomScoreAdj(
  pod: PodManifest,
  { resources = {} }: PodContainer,
  machineMemoryBytes: number,
): number {
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return oomScore.guaranteed;
  if (qos === 'BestEffort') return oomScore.bestEffort;
  const requested = quantityBytes(resources.requests?.memory ?? resources.limits?.memory ?? 0);
  const score = 1000 - Math.floor((1000 * requested) / machineMemoryBytes);
  return Math.min(oomScore.burstableMax, Math.max(oomScore.burstableMin, score));
}
