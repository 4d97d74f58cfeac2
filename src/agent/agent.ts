import { backgroundContext } from '../base/call-context.js';
import type { CallContext } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import { KeyedQueue } from '../base/keyed-queue.js';
import { newExecSyncRequest } from '../ports/cri/messages.js';
import type { ManifestProblem } from '../spec/manifest-parse.js';
import { describeProblem, manifestError, parseManifest } from '../spec/manifest-parse.js';
import type { PodManifest } from '../spec/pod-types.js';
import type { AgentParts } from './agent-config.js';
import { containerLogFile, podLogFolder } from './cri-requests.js';
import type { DesiredPod, PodSource } from './desired-pod.js';
import { desiredPodTable, kubeTime, podKey, specHash } from './desired-pod.js';
import type { PodEvent } from './event-log.js';
import { EventLog } from './event-log.js';
import { scanManifests } from './manifest-folder.js';
import type { LogOptions } from './pod-logs.js';
import { readContainerLog } from './pod-logs.js';
import { PodReconciler } from './pod-reconciler.js';
import type { PodStatus } from './pod-status.js';
import { podStatus } from './pod-status.js';
import { fingerprints } from './runtime-view.js';

const pollMs = 1000;
const rescanMs = 10_000;

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

export interface PodName {
  namespace: string;
  name: string;
}

export interface Applied extends PodName {
  action: 'created' | 'configured' | 'unchanged';
}

export interface Agent {
  /** Loads what shall run, looks at the manifest folder and begins to reconcile. */
  start(): Promise<void>;
  /** Stops reconciling; pods go on running. Resolves when nothing is under way any more. */
  stop(): Promise<void>;
  list(namespace?: string): PodObject[];
  /** `not-found` when there is no such pod: so all methods that name one. */
  get(pod: PodName): PodObject;
  /** Refuses an existing pod with `exists`. */
  create(pod: PodManifest): Promise<PodObject>;
  /** Refuses with `denied` a pod that a manifest file owns. */
  replace(pod: PodManifest): Promise<PodObject>;
  /** Applies every Pod of a manifest text, or none when there is any problem in it; `source` names it in errors. */
  applyText(text: string, source: string): Promise<Applied[]>;
  /** Asks for deletion; the pod goes once its containers have stopped. Grace defaults to the pod's own. */
  delete(pod: PodName, graceSeconds?: number): Promise<PodObject>;
  events(namespace: string, name?: string): PodEvent[];
  log(
    pod: PodName,
    options: LogOptions & { container?: string; previous?: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<string>;
  exec(
    pod: PodName,
    command: { container?: string; argv: string[] },
    ctx: CallContext,
  ): Promise<{ exitCode: number; stdout: Uint8Array; stderr: Uint8Array }>;
  /** Problems of the manifest folder's files as they stand. */
  manifestProblems(): ManifestProblem[];
}

export function createAgent(parts: AgentParts): Agent {
  return new NodeAgent(parts);
}

class NodeAgent implements Agent {
  private readonly table;
  private readonly events_: EventLog;
  private readonly queue = new KeyedQueue<string>();
  private readonly pods = new Map<string, PodReconciler>();
  private readonly timers = new Map<string, () => void>();
  private readonly queued = new Set<string>();
  private readonly abort = new AbortController();
  private problems = new Map<string, ManifestProblem[]>();
  private seen = new Map<string, string>();
  private loops: Promise<void>[] = [];
  private unwatch: () => void = () => undefined;

  constructor(private readonly parts: AgentParts) {
    this.table = parts.store.table<DesiredPod>(desiredPodTable);
    this.events_ = new EventLog(parts.clock);
  }

  async start(): Promise<void> {
    for (const [, record] of this.table.entries()) this.adopt(record);
    const { files, config } = this.parts;
    await files.makeDir(config.manifestDir);
    this.unwatch = files.watch(config.manifestDir, () => void this.rescan());
    await this.rescan();
    for (const uid of this.pods.keys()) this.kick(uid);
    this.loops = [this.every(pollMs, () => this.poll()), this.every(rescanMs, () => this.rescan())];
  }

  async stop(): Promise<void> {
    this.abort.abort(new NodeletError('canceled', 'the agent is stopping'));
    this.unwatch();
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
    await Promise.all(this.loops);
    await this.queue.drain();
  }

  list(namespace?: string): PodObject[] {
    return [...this.pods.values()]
      .filter(({ record }) => namespace === undefined || record.pod.metadata.namespace === namespace)
      .map((reconciler) => this.object(reconciler));
  }

  get(pod: PodName): PodObject {
    return this.object(this.find(pod));
  }

  async create(pod: PodManifest): Promise<PodObject> {
    if (this.lookUp(pod.metadata) !== undefined)
      throw new NodeletError(
        'exists',
        `pod ${podKey(pod.metadata.namespace, pod.metadata.name)} exists already`,
        {
          field: 'metadata.name',
        },
      );
    await this.put(pod, { kind: 'api' });
    return this.get(pod.metadata);
  }

  async replace(pod: PodManifest): Promise<PodObject> {
    this.find(pod.metadata);
    await this.put(pod, { kind: 'api' });
    return this.get(pod.metadata);
  }

  async applyText(text: string, source: string): Promise<Applied[]> {
    const { pods, problems } = parseManifest(text, source);
    if (problems.length > 0) throw manifestError(problems);
    const applied: Applied[] = [];
    for (const pod of pods) {
      const { namespace, name } = pod.metadata;
      applied.push({ namespace, name, action: await this.put(pod, { kind: 'api' }) });
    }
    return applied;
  }

  async delete(pod: PodName, graceSeconds?: number): Promise<PodObject> {
    const reconciler = this.find(pod);
    this.refuseForeign(reconciler.record, { kind: 'api' });
    await this.markDeleted(reconciler, graceSeconds);
    return this.object(reconciler);
  }

  events(namespace: string, name?: string): PodEvent[] {
    return this.events_.list(namespace, name);
  }

  async *log(
    pod: PodName,
    options: LogOptions & { container?: string; previous?: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    const reconciler = this.find(pod);
    const name = this.containerName(reconciler, options.container);
    const newest = (reconciler.record.attempts[name] ?? 0) - 1;
    const attempt = options.previous === true ? newest - 1 : newest;
    if (attempt < 0)
      throw new NodeletError(
        'not-found',
        options.previous === true
          ? `container ${name} has no previous run`
          : `container ${name} has not run yet`,
        { field: 'container' },
      );
    const path = `${podLogFolder(reconciler.record, this.parts.config)}/${containerLogFile(name, attempt)}`;
    const ended = (): boolean => {
      const run = reconciler.view.containers.find(
        (one) => one.metadata?.name === name && one.metadata.attempt === attempt,
      );
      return run?.state === 'CONTAINER_EXITED' || !this.pods.has(reconciler.record.uid);
    };
    yield* readContainerLog(
      path,
      options,
      this.parts.clock,
      AbortSignal.any([signal, this.abort.signal]),
      ended,
    );
  }

  async exec(
    pod: PodName,
    command: { container?: string; argv: string[] },
    ctx: CallContext,
  ): Promise<{ exitCode: number; stdout: Uint8Array; stderr: Uint8Array }> {
    const reconciler = this.find(pod);
    const name = this.containerName(reconciler, command.container);
    const run = reconciler.view.containers.find(
      (one) => one.metadata?.name === name && one.state === 'CONTAINER_RUNNING',
    );
    if (run === undefined)
      throw new NodeletError('wrong-state', `container ${name} is not running`, { field: 'container' });
    const { exit_code, stdout, stderr } = await this.parts.cri.runtime.ExecSync(
      newExecSyncRequest({ container_id: run.id, cmd: command.argv }),
      ctx,
    );
    return { exitCode: exit_code, stdout, stderr };
  }

  manifestProblems(): ManifestProblem[] {
    return [...this.problems.values()].flat();
  }

  private lookUp({ namespace, name }: PodName): PodReconciler | undefined {
    return [...this.pods.values()].find(
      ({ record: { pod } }) => pod.metadata.namespace === namespace && pod.metadata.name === name,
    );
  }

  private find(pod: PodName): PodReconciler {
    const found = this.lookUp(pod);
    if (found === undefined)
      throw new NodeletError('not-found', `pod ${podKey(pod.namespace, pod.name)} not found`);
    return found;
  }

  private containerName({ record }: PodReconciler, wanted: string | undefined): string {
    const { containers, initContainers } = record.pod.spec;
    const names = [...containers, ...initContainers].map(({ name }) => name);
    const choice = wanted ?? (containers.length === 1 ? containers[0]?.name : undefined);
    if (choice !== undefined && names.includes(choice)) return choice;
    throw choice === undefined
      ? new NodeletError('invalid', `a container must be named, one of: ${names.join(', ')}`, {
          field: 'container',
        })
      : new NodeletError('not-found', `the pod has no container ${choice}, only: ${names.join(', ')}`, {
          field: 'container',
        });
  }

  private object({ record, view, waiting }: PodReconciler): PodObject {
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
      spec: { ...pod.spec, nodeName: this.parts.config.nodeName },
      status: podStatus(record, view, waiting, this.parts.config.hostIp ?? ''),
    };
  }

  private adopt(record: DesiredPod): PodReconciler {
    const reconciler = new PodReconciler(
      this.parts,
      this.events_,
      record,
      async (changed) => this.table.put(changed.uid, changed),
      this.abort.signal,
    );
    this.pods.set(record.uid, reconciler);
    return reconciler;
  }

  private refuseForeign(record: DesiredPod, source: PodSource): void {
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

  private async put(given: PodManifest, source: PodSource): Promise<Applied['action']> {
    const pod = this.onThisNode(given);
    const { namespace, name } = pod.metadata;
    // One writer for a name: two requests for the same pod must not both create it.
    return this.queue.run(`name ${podKey(namespace, name)}`, async () => {
      const existing = this.lookUp(pod.metadata);
      const hash = specHash(pod);
      if (existing === undefined) {
        const uid = pod.metadata.uid === '' ? this.newUid() : pod.metadata.uid;
        if (this.pods.has(uid))
          throw new NodeletError('exists', `a pod has the uid ${uid} already`, { field: 'metadata.uid' });
        const record: DesiredPod = {
          version: 1,
          uid,
          source,
          pod,
          specHash: hash,
          createdAtNs: String(this.parts.clock.nowNs()),
          attempts: {},
        };
        await this.table.put(uid, record);
        this.adopt(record);
        this.kick(uid);
        return 'created';
      }
      this.refuseForeign(existing.record, source);
      if (existing.record.deletion !== undefined)
        throw new NodeletError('wrong-state', `pod ${podKey(namespace, name)} is being deleted`, {
          field: 'metadata.name',
          remedy: 'try again once it is gone',
        });
      if (pod.metadata.uid !== '' && pod.metadata.uid !== existing.record.uid)
        throw new NodeletError('wrong-state', `the pod has another uid: ${existing.record.uid}`, {
          field: 'metadata.uid',
        });
      if (existing.record.specHash === hash) return 'unchanged';
      await this.queue.run(existing.record.uid, async () => {
        const { finished: _finished, ...record } = existing.record;
        existing.record = { ...record, pod, specHash: hash };
        existing.waiting.clear();
        await this.table.put(record.uid, existing.record);
      });
      this.kick(existing.record.uid);
      return 'configured';
    });
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

  private async markDeleted(reconciler: PodReconciler, graceSeconds?: number): Promise<void> {
    const { uid } = reconciler.record;
    await this.queue.run(uid, async () => {
      const { record } = reconciler;
      const wanted = graceSeconds ?? record.pod.spec.terminationGracePeriodSeconds;
      if (!this.pods.has(uid) || (record.deletion !== undefined && record.deletion.graceSeconds <= wanted))
        return;
      const deletion = { requestedAtNs: String(this.parts.clock.nowNs()), graceSeconds: wanted };
      reconciler.record = { ...record, deletion };
      await this.table.put(uid, reconciler.record);
    });
    this.kick(uid);
  }

  /** A pass soon; one that waits already is enough. */
  private kick(uid: string): void {
    if (this.queued.has(uid) || this.abort.signal.aborted) return;
    this.queued.add(uid);
    void this.queue.run(uid, async () => {
      this.queued.delete(uid);
      const reconciler = this.pods.get(uid);
      if (reconciler === undefined || this.abort.signal.aborted) return;
      this.timers.get(uid)?.();
      this.timers.delete(uid);
      try {
        if ((await reconciler.pass()) === 'gone') {
          await this.table.remove(uid);
          this.pods.delete(uid);
          if (reconciler.record.source.kind === 'manifest') void this.rescan();
          return;
        }
      } catch (thrown) {
        if (this.abort.signal.aborted) return;
        const error = asNodeletError(thrown);
        this.parts.log.error({ uid, err: error }, 'pod could not be reconciled');
        this.events_.add(reconciler.record, {
          reason: 'FailedSync',
          message: error.describe(),
          type: 'Warning',
        });
        reconciler.dueMs ??= this.nowMs() + 5000;
      }
      if (reconciler.dueMs === undefined || this.abort.signal.aborted) return;
      this.timers.set(
        uid,
        this.parts.clock.after(Math.max(1, reconciler.dueMs - this.nowMs()), () => this.kick(uid)),
      );
    });
  }

  private nowMs(): number {
    return Number(this.parts.clock.nowNs() / 1_000_000n);
  }

  private newUid(): string {
    const hex = this.parts.random.hex(16);
    return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5');
  }

  private async poll(): Promise<void> {
    const found = await fingerprints(this.parts.cri, backgroundContext(this.parts.log, this.abort.signal));
    for (const uid of this.pods.keys()) if (found.get(uid) !== this.seen.get(uid)) this.kick(uid);
    this.seen = found;
  }

  /** Brings the manifest folder's pods into the desired set, one scan at a time. */
  private rescan(): Promise<void> {
    return this.queue.run('manifest folder', async () => {
      if (this.abort.signal.aborted) return;
      const { files, log, config } = this.parts;
      try {
        const { pods, broken } = await scanManifests(config.manifestDir, files, log);
        for (const [file, manifests] of pods)
          for (const pod of manifests) {
            try {
              await this.put(pod, { kind: 'manifest', file });
            } catch (thrown) {
              const error = asNodeletError(thrown);
              broken.set(file, [
                { kind: 'invalid', file, line: 1, field: error.field ?? '', message: error.message },
              ]);
            }
          }
        await this.dropMissing(pods, broken);
        for (const [file, problems] of broken) {
          const text = problems.map(describeProblem).join('\n');
          if (text !== this.problems.get(file)?.map(describeProblem).join('\n'))
            log.error({ file, problems: text }, 'manifest refused');
        }
        this.problems = broken;
      } catch (thrown) {
        log.error({ err: asNodeletError(thrown) }, 'manifest folder could not be read');
      }
    });
  }

  private async dropMissing(
    pods: Map<string, PodManifest[]>,
    broken: Map<string, ManifestProblem[]>,
  ): Promise<void> {
    for (const reconciler of [...this.pods.values()]) {
      const { source, pod, deletion } = reconciler.record;
      if (source.kind !== 'manifest' || broken.has(source.file) || deletion !== undefined) continue;
      const wanted = pods
        .get(source.file)
        ?.some(
          ({ metadata }) =>
            metadata.name === pod.metadata.name && metadata.namespace === pod.metadata.namespace,
        );
      if (wanted !== true) await this.markDeleted(reconciler);
    }
  }

  private async every(periodMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.abort.signal.aborted) {
      try {
        await this.parts.clock.sleep(periodMs, this.abort.signal);
        await work();
      } catch (thrown) {
        if (this.abort.signal.aborted) return;
        this.parts.log.warn({ err: asNodeletError(thrown) }, 'a periodic look failed; trying again');
      }
    }
  }
}
