import { backgroundContext } from '../../src/base/call-context.js';
import type { CallContext } from '../../src/base/call-context.js';
import type { CriClient } from '../../src/cri/client.js';
import {
  newContainerConfig,
  newContainerMetadata,
  newCreateContainerRequest,
  newExecSyncRequest,
  newImageSpec,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newListPodSandboxRequest,
  newNamespaceOption,
  newPodSandboxConfig,
  newPodSandboxFilter,
  newPodSandboxMetadata,
  newRemovePodSandboxRequest,
  newRunPodSandboxRequest,
  newStartContainerRequest,
  newStopPodSandboxRequest,
} from '../../src/ports/cri/messages.js';
import type { Operation, Samples } from './samples.js';

/** How the benchmark's pods look to one runtime. */
export interface PodShape {
  client: CriClient;
  image: string;
  /** Folder of the pods' logs. */
  logDir: string;
  /** Empty: the runtime's own. */
  cgroupParent: string;
  /** Value of the label that every pod of this run bears. */
  run: string;
  signal: AbortSignal;
}

export interface LivePod {
  sandboxId: string;
  containerId: string;
}

const runLabel = 'nodelet.dev/bench';
let podsMade = 0;

/** What the container of a pod runs. */
interface Workload {
  command: string[];
  /** Open for those who attach. */
  stdin: boolean;
}
const idling: Workload = { command: ['/bin/sleep', '1000000'], stdin: false };

/** Sandbox, container, start: a pod as the kubelet makes it, each call measured. */
export async function podUp(
  shape: PodShape,
  samples: Samples<Operation>,
  { command, stdin }: Workload = idling,
): Promise<LivePod> {
  const { runtime } = shape.client;
  const ctx = contextOf(shape);
  const name = `bench-${shape.run}-${podsMade++}`;
  const sandboxConfig = newPodSandboxConfig({
    metadata: newPodSandboxMetadata({ name, uid: name, namespace: 'bench' }),
    hostname: name,
    log_directory: `${shape.logDir}/${name}`,
    labels: { [runLabel]: shape.run },
    linux: newLinuxPodSandboxConfig({
      cgroup_parent: shape.cgroupParent,
      security_context: newLinuxSandboxSecurityContext({
        namespace_options: newNamespaceOption({ network: 'POD', pid: 'CONTAINER', ipc: 'POD' }),
      }),
    }),
  });
  const config = newContainerConfig({
    metadata: newContainerMetadata({ name: 'main' }),
    image: newImageSpec({ image: shape.image }),
    command,
    stdin,
    log_path: 'main.log',
  });
  const startedMs = performance.now();
  const { pod_sandbox_id: sandboxId } = await samples.time('RunPodSandbox', () =>
    runtime.RunPodSandbox(newRunPodSandboxRequest({ config: sandboxConfig }), ctx),
  );
  const readyMs = performance.now();
  const { container_id: containerId } = await samples.time('CreateContainer', () =>
    runtime.CreateContainer(
      newCreateContainerRequest({ pod_sandbox_id: sandboxId, config, sandbox_config: sandboxConfig }),
      ctx,
    ),
  );
  await samples.time('StartContainer', () =>
    runtime.StartContainer(newStartContainerRequest({ container_id: containerId }), ctx),
  );
  const upMs = performance.now();
  samples.add('CreateContainer+StartContainer', upMs - readyMs);
  samples.add('pod up', upMs - startedMs);
  return { sandboxId, containerId };
}

/** One pod's whole life: up, a command in it, down and gone. */
export async function podCycle(shape: PodShape, samples: Samples<Operation>): Promise<void> {
  const { runtime } = shape.client;
  const ctx = contextOf(shape);
  const startedMs = performance.now();
  const { sandboxId, containerId } = await podUp(shape, samples);
  await samples.time('ExecSync', () => execTrue(shape, containerId));
  const downMs = performance.now();
  await samples.time('StopPodSandbox', () =>
    runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: sandboxId }), ctx),
  );
  await samples.time('RemovePodSandbox', () =>
    runtime.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: sandboxId }), ctx),
  );
  const endedMs = performance.now();
  samples.add('StopPodSandbox+RemovePodSandbox', endedMs - downMs);
  samples.add('whole cycle', endedMs - startedMs);
}

/** Runs `true` in a container, to its end. */
export async function execTrue(shape: PodShape, containerId: string): Promise<void> {
  const request = newExecSyncRequest({ container_id: containerId, cmd: ['true'], timeout: '10' });
  const { exit_code: exitCode } = await shape.client.runtime.ExecSync(request, contextOf(shape));
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode} in container ${containerId}`);
}

/** Runs `work` `count` times, at most `width` at once; the first failure ends it when those in flight have ended. */
export async function inFlight(count: number, width: number, work: () => Promise<void>): Promise<void> {
  let begun = 0;
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (failures.length === 0 && begun < count) {
      begun += 1;
      await work().catch((thrown: unknown) => failures.push(thrown));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} pod cycles failed`);
}

/** Stops and removes what this run still has on a runtime, whatever became of the run. */
export async function removePods({ client, run }: PodShape): Promise<void> {
  const ctx = backgroundContext();
  const filter = newPodSandboxFilter({ label_selector: { [runLabel]: run } });
  const { items } = await client.runtime.ListPodSandbox(newListPodSandboxRequest({ filter }), ctx);
  for (const { id } of items) {
    await client.runtime.StopPodSandbox(newStopPodSandboxRequest({ pod_sandbox_id: id }), ctx);
    await client.runtime.RemovePodSandbox(newRemovePodSandboxRequest({ pod_sandbox_id: id }), ctx);
  }
}

export function contextOf({ signal }: PodShape): CallContext {
  return backgroundContext(undefined, signal);
}
