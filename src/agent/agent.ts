import { setMaxListeners } from 'node:events';
import type { CallContext } from '../base/call-context.js';
import { NodeletError, asNodeletError } from '../base/errors.js';
import type { ManifestProblem } from '../spec/manifests/manifest-parse.js';
import type { ManifestText } from '../spec/manifests/manifest-set.js';
import { podsOfAll } from '../spec/manifests/manifest-set.js';
import type { PodManifest } from '../spec/manifests/pod-types.js';
import type { AgentParts } from './agent-config.js';
import type { PodAttach, PodExec } from './container-access.js';
import { attachUrl, execUrl, forwardUrl } from './container-access.js';
import { podKey } from './desired-pod.js';
import type { PodEvent } from './event-log.js';
import { EventLog } from './event-log.js';
import type { ContainerLogOptions } from './logs/container-log.js';
import { containerLog } from './logs/container-log.js';
import { podLogs } from './logs/log-places.js';
import type { LogUsage } from './logs/rotation.js';
import { LogRotation } from './logs/rotation.js';
import { ManifestSync } from './manifest-sync.js';
import { changeOf } from './pod-change.js';
import { PodLoop } from './pod-loop.js';
import type { PodObject } from './pod-object.js';
import { podObject } from './pod-object.js';
import type { PodName, PutAction } from './pod-set.js';
import { PodSet, refuseForeign } from './pod-set.js';

const pollMs = 1000;
const rescanMs = 10_000;

export interface Applied extends PodName {
  action: PutAction;
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
  /** Refuses with `denied` a pod that a manifest file owns, with `invalid` what Kubernetes doesn't let change. */
  replace(pod: PodManifest): Promise<PodObject>;
  /** Applies every Pod of the manifests, or none when there is any problem in one of them. */
  apply(manifests: readonly ManifestText[]): Promise<Applied[]>;
  /** Asks for deletion; the pod goes once its containers have stopped. Grace defaults to the pod's own. */
  delete(pod: PodName, graceSeconds?: number): Promise<PodObject>;
  events(namespace: string, name?: string): PodEvent[];
  /** Resolves when the log is found, with its text; it ends when the signal is aborted. See containerLog for what is refused. */
  log(pod: PodName, options: ContainerLogOptions, signal: AbortSignal): Promise<AsyncGenerator<Buffer, void>>;
  /** Where the exec is served, for one connection that follows soon. */
  execUrl(pod: PodName, exec: PodExec, ctx: CallContext): Promise<string>;
  /** As execUrl, for the container's own streams. */
  attachUrl(pod: PodName, attach: PodAttach, ctx: CallContext): Promise<string>;
  /** As execUrl, for ports of the pod; clients that name theirs themselves need none here. */
  forwardUrl(pod: PodName, ports: number[], ctx: CallContext): Promise<string>;
  /** What the logs of each container take on their disk, rotated files and the previous run's included. */
  logUsage(): LogUsage[];
  /** Problems of the manifest folder's files as they stand. */
  manifestProblems(): ManifestProblem[];
}

/** The small kubelet: keeps the pods of the API and of the manifest folder running over a CRI runtime. */
export function createAgent(parts: AgentParts): Agent {
  const abort = new AbortController();
  const { signal } = abort;
  // Every call under way listens, as many as there are pods: no sign of a leak.
  setMaxListeners(0, signal);
  const events = new EventLog(parts.clock);
  const rotation = new LogRotation(
    parts,
    () => pods.all().flatMap((pod) => podLogs(pod, parts.config)),
    signal,
  );
  const pods: PodSet = new PodSet(parts, events, rotation, signal, (uid) => loop.kick(uid));
  const loop: PodLoop = new PodLoop(parts, pods, events, signal, ({ record }) => {
    // The file may want the pod again by now.
    if (record.source.kind === 'manifest') void manifests.rescan();
  });
  const manifests = new ManifestSync(parts, pods, signal);
  let loops: Promise<void>[] = [];
  let unwatch: () => void = () => undefined;

  const every = async (periodMs: number, work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      try {
        await parts.clock.sleep(periodMs, signal);
        await work();
      } catch (thrown) {
        if (signal.aborted) return;
        parts.log.warn({ err: asNodeletError(thrown) }, 'a periodic look failed; trying again');
      }
    }
  };
  const get = (pod: PodName): PodObject => podObject(pods.find(pod), parts.config);

  return {
    start: async () => {
      pods.load();
      const { files, config } = parts;
      await files.makeDir(config.manifestDir);
      unwatch = files.watch(config.manifestDir, () => void manifests.rescan());
      await manifests.rescan();
      for (const { record } of pods.all()) loop.kick(record.uid);
      rotation.start();
      loops = [every(pollMs, () => loop.poll()), every(rescanMs, () => manifests.rescan())];
    },
    stop: async () => {
      abort.abort(new NodeletError('canceled', 'the agent is stopping'));
      unwatch();
      loop.stop();
      await Promise.all(loops);
      await rotation.stop();
      await pods.queue.drain();
    },
    list: (namespace) =>
      pods
        .all()
        .filter(({ record }) => namespace === undefined || record.pod.metadata.namespace === namespace)
        .map((pod) => podObject(pod, parts.config)),
    get,
    create: async (pod) => {
      const { namespace, name } = pod.metadata;
      if (pods.lookUp(pod.metadata) !== undefined)
        throw new NodeletError('exists', `pod ${podKey(namespace, name)} exists already`, {
          field: 'metadata.name',
        });
      await pods.put(pod, { kind: 'api' });
      return get(pod.metadata);
    },
    replace: async (pod) => {
      const { fixedFields } = changeOf(pods.find(pod.metadata).record.pod, pod);
      if (fixedFields.length > 0)
        throw new NodeletError('invalid', `can't change in a pod that exists: ${fixedFields.join(', ')}`, {
          field: fixedFields[0] ?? 'spec',
          remedy: 'use nodelet apply, which starts such a pod anew, or delete it first',
        });
      await pods.put(pod, { kind: 'api' });
      return get(pod.metadata);
    },
    apply: async (manifests) => {
      const wanted = podsOfAll(manifests);
      for (const pod of wanted) pods.check(pod, { kind: 'api' });
      const applied: Applied[] = [];
      for (const pod of wanted) {
        const { namespace, name } = pod.metadata;
        applied.push({ namespace, name, action: await pods.put(pod, { kind: 'api' }) });
      }
      return applied;
    },
    delete: async (pod, graceSeconds) => {
      const found = pods.find(pod);
      refuseForeign(found.record, { kind: 'api' });
      await pods.markDeleted(found, graceSeconds);
      return podObject(found, parts.config);
    },
    events: (namespace, name) => events.list(namespace, name),
    log: async (pod, options, caller) => {
      const found = pods.find(pod);
      return containerLog(found, options, parts, {
        signal: AbortSignal.any([caller, signal]),
        isGone: () => pods.get(found.record.uid) === undefined,
      });
    },
    execUrl: async (pod, exec, ctx) => execUrl(pods.find(pod), exec, parts, ctx),
    attachUrl: async (pod, attach, ctx) => attachUrl(pods.find(pod), attach, parts, ctx),
    forwardUrl: async (pod, ports, ctx) => forwardUrl(pods.find(pod), ports, parts, ctx),
    logUsage: () => rotation.usage(),
    manifestProblems: () => manifests.problems(),
  };
}
