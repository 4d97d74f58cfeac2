import type { Clock } from '../ports/clock.js';
import type { DesiredPod } from './desired-pod.js';
import { kubeTime } from './desired-pod.js';

/** An event in the shape of Kubernetes' core/v1 Event. */
export interface PodEvent {
  apiVersion: 'v1';
  kind: 'Event';
  metadata: { name: string; namespace: string };
  involvedObject: { kind: 'Pod'; namespace: string; name: string; uid: string; fieldPath?: string };
  reason: string;
  message: string;
  type: 'Normal' | 'Warning';
  count: number;
  firstTimestamp: string | null;
  lastTimestamp: string | null;
  source: { component: 'nodelet' };
}

export interface NewEvent {
  reason: string;
  message: string;
  type?: 'Normal' | 'Warning';
  container?: string;
}

const eventsPerPod = 64;
const podsRemembered = 512;

/** The last events of each pod, in memory. A repeated event only counts up; pods deleted long ago are forgotten. */
export class EventLog {
  private readonly rings = new Map<string, PodEvent[]>();
  private serial = 0;

  constructor(private readonly clock: Clock) {}

  add(record: DesiredPod, { reason, message, type = 'Normal', container }: NewEvent): void {
    const { name, namespace } = record.pod.metadata;
    const ring = this.rings.get(record.uid) ?? [];
    const now = kubeTime(this.clock.nowNs());
    const fieldPath = container === undefined ? undefined : `spec.containers{${container}}`;
    const same = ring.find(
      (event) =>
        event.reason === reason && event.message === message && event.involvedObject.fieldPath === fieldPath,
    );
    if (same !== undefined) {
      same.count += 1;
      same.lastTimestamp = now;
      return;
    }
    this.serial += 1;
    ring.push({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${this.serial.toString(16)}`, namespace },
      involvedObject: {
        kind: 'Pod',
        namespace,
        name,
        uid: record.uid,
        ...(fieldPath === undefined ? {} : { fieldPath }),
      },
      reason,
      message,
      type,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: 'nodelet' },
    });
    if (ring.length > eventsPerPod) ring.shift();
    this.rings.delete(record.uid);
    this.rings.set(record.uid, ring);
    const oldest = this.rings.keys().next().value;
    if (this.rings.size > podsRemembered && oldest !== undefined) this.rings.delete(oldest);
  }

  /** Events of a namespace, or of one pod name in it, in the order they first happened. */
  list(namespace: string, name?: string): PodEvent[] {
    return [...this.rings.values()]
      .flat()
      .filter(
        ({ involvedObject: pod }) => pod.namespace === namespace && (name === undefined || pod.name === name),
      );
  }
}
