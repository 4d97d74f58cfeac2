import { NodeletError } from '../base/errors.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import type { RecordTable } from '../ports/record-store.js';
import type { PodManifest } from '../spec/manifests/pod-types.js';
import type { AgentParts } from './agent-config.js';
import type { DesiredPod, PodSource } from './desired-pod.js';
import { desiredPodTable, podKey } from './desired-pod.js';
import type { EventLog } from './event-log.js';
import type { LogRotation } from './logs/rotation.js';
import { changeOf, fixedHash } from './pod-change.js';
import { PodReconciler } from './pod-reconciler.js';

export interface PodName {
  namespace: string;
  name: string;
}

/** `configured`: changed in place. `replaced`: what changed can't be, so the pod is stopped and started anew. */
export type PutAction = 'created' | 'configured' | 'replaced' | 'unchanged';

/**
 * The pods that shall run, durable, each with its reconciler. Writers of one pod queue up: under its name while it is
 * put, under its uid for everything that changes its record.
 */
export class PodSet {
  readonly queue = new KeyedQueue<string>();
  private readonly table: RecordTable<DesiredPod>;
  private readonly byUid = new Map<string, PodReconciler>();

  constructor(
    private readonly parts: AgentParts,
    private readonly events: EventLog,
    private readonly rotation: Pick<LogRotation, 'release'>,
    private readonly signal: AbortSignal,
    /** Called whenever a pod wants a pass. */
    private readonly kick: (uid: string) => void,
  ) {
    this.table = parts.store.table<DesiredPod>(desiredPodTable);
  }

  /** Takes over what the last run was asked for. */
  load(): void {
    for (const [, record] of this.table.entries()) this.adopt(record);
  }

  all(): PodReconciler[] {
    return [...this.byUid.values()];
  }

  get(uid: string): PodReconciler | undefined {
    return this.byUid.get(uid);
  }

  /** `not-found` when there is no pod of that name. */
  find(pod: PodName): PodReconciler {
    const found = this.lookUp(pod);
    if (found === undefined)
      throw new NodeletError('not-found', `pod ${podKey(pod.namespace, pod.name)} not found`);
    return found;
  }

  lookUp({ namespace, name }: PodName): PodReconciler | undefined {
    return this.all().find(
      ({ record: { pod } }) => pod.metadata.namespace === namespace && pod.metadata.name === name,
    );
  }

  /** Throws what `put` would refuse, and changes nothing: for callers that put all of several pods or none. */
  check(given: PodManifest, source: PodSource): void {
    const pod = this.onThisNode(given);
    const existing = this.lookUp(pod.metadata);
    if (existing !== undefined) refuseChange(existing.record, pod, source);
    else if (this.byUid.has(pod.metadata.uid))
      throw new NodeletError('exists', `a pod has the uid ${pod.metadata.uid} already`, {
        field: 'metadata.uid',
      });
  }

  /** Makes a pod desired, or changes it; `denied` where another source owns it. */
  async put(given: PodManifest, source: PodSource): Promise<PutAction> {
    const pod = this.onThisNode(given);
    const { namespace, name } = pod.metadata;
    // One writer for a name: two requests for the same pod must not both create it.
    return this.queue.run(`name ${podKey(namespace, name)}`, async () => {
      this.check(pod, source);
      const existing = this.lookUp(pod.metadata);
      const action = await (existing === undefined ? this.add(pod, source) : this.change(existing, pod));
      await this.parts.store.flushed();
      return action;
    });
  }

  private async add(pod: PodManifest, source: PodSource): Promise<PutAction> {
    const uid = pod.metadata.uid === '' ? this.newUid() : pod.metadata.uid;
    const record: DesiredPod = {
      version: 1,
      uid,
      source,
      pod,
      specHash: fixedHash(pod),
      createdAtNs: String(this.parts.clock.nowNs()),
      attempts: {},
      firstAttempts: {},
      retries: {},
    };
    await this.table.put(uid, record);
    this.adopt(record);
    this.kick(uid);
    return 'created';
  }

  private async change(existing: PodReconciler, pod: PodManifest): Promise<PutAction> {
    const change = changeOf(existing.record.pod, pod);
    if (change.kind === 'none') return 'unchanged';
    const ended = existing.record.finished !== undefined;
    const replace = change.kind === 'replace' || (change.kind === 'images' && ended);
    await this.queue.run(existing.record.uid, async () => {
      const { finished, ...kept } = existing.record;
      existing.record = {
        ...kept,
        pod,
        specHash: fixedHash(pod),
        // Labels don't bring an ended pod back, nor do they make a failing one better.
        ...(change.kind !== 'labels' ? { retries: {} } : finished === undefined ? {} : { finished }),
        ...(replace ? { firstAttempts: kept.attempts, createdAtNs: String(this.parts.clock.nowNs()) } : {}),
      };
      if (change.kind !== 'labels') existing.waiting.clear();
      await this.table.put(kept.uid, existing.record);
    });
    this.kick(existing.record.uid);
    return replace ? 'replaced' : 'configured';
  }

  /** Asks for a pod's end; asking again can only shorten the grace. */
  async markDeleted(reconciler: PodReconciler, graceSeconds?: number): Promise<void> {
    const { uid } = reconciler.record;
    await this.queue.run(uid, async () => {
      const { record } = reconciler;
      const wanted = graceSeconds ?? record.pod.spec.terminationGracePeriodSeconds;
      if (!this.byUid.has(uid) || (record.deletion !== undefined && record.deletion.graceSeconds <= wanted))
        return;
      const deletion = { requestedAtNs: String(this.parts.clock.nowNs()), graceSeconds: wanted };
      reconciler.record = { ...record, deletion };
      await this.table.put(uid, reconciler.record);
      await this.parts.store.flushed();
    });
    this.kick(uid);
  }

  /** Forgets a pod that has gone. Called inside its queue. */
  async forget(uid: string): Promise<void> {
    await this.table.remove(uid);
    const gone = this.byUid.get(uid);
    this.byUid.delete(uid);
    gone?.tell();
  }

  private adopt(record: DesiredPod): void {
    const reconciler = new PodReconciler(
      this.rotation,
      this.parts,
      this.events,
      record,
      async (changed) => this.table.put(changed.uid, changed),
      this.signal,
    );
    this.byUid.set(record.uid, reconciler);
  }

  /** nodeName is shown on every pod but isn't part of what is kept. */
  private onThisNode(pod: PodManifest): PodManifest {
    const { nodeName, ...spec } = pod.spec;
    const own = this.parts.config.nodeName;
    if (nodeName !== undefined && nodeName !== '' && nodeName !== own)
      throw new NodeletError('invalid', `is ${nodeName}, but this node is ${own}`, {
        field: 'spec.nodeName',
      });
    return { ...pod, spec };
  }

  private newUid(): string {
    const hex = this.parts.random.hex(16);
    return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5');
  }
}

/** What stands in the way of putting `pod` where there is one of its name already. */
function refuseChange(existing: DesiredPod, pod: PodManifest, source: PodSource): void {
  refuseForeign(existing, source);
  const { namespace, name, uid } = pod.metadata;
  if (existing.deletion !== undefined)
    throw new NodeletError('wrong-state', `pod ${podKey(namespace, name)} is being deleted`, {
      field: 'metadata.name',
      remedy: 'try again once it is gone',
    });
  if (uid !== '' && uid !== existing.uid)
    throw new NodeletError('wrong-state', `the pod has another uid: ${existing.uid}`, {
      field: 'metadata.uid',
    });
}

/** Whoever made a pod is the only one to change it. */
export function refuseForeign(record: DesiredPod, source: PodSource): void {
  const owner = record.source;
  if (
    owner.kind === source.kind &&
    (owner.kind === 'api' || owner.file === (source as { file: string }).file)
  )
    return;
  const { namespace, name } = record.pod.metadata;
  throw new NodeletError(
    'denied',
    `pod ${podKey(namespace, name)} belongs to ${owner.kind === 'api' ? 'the API' : `the manifest file ${owner.file}`}`,
    { field: 'metadata.name', remedy: 'change or remove it there' },
  );
}
