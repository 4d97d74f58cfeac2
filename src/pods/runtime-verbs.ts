import { NodeletError } from '../base/errors.js';
import type { SandboxId } from '../base/ids.js';
import type { ContainerStatusResponse, PodSandboxStatusResponse } from '../ports/cri/messages.js';
import {
  ContainerStateValues,
  PodSandboxStateValues,
  newContainerStatusResponse,
  newCreateContainerResponse,
  newExecResponse,
  newExecSyncResponse,
  newLinuxRuntimeConfiguration,
  newListContainersResponse,
  newListPodSandboxResponse,
  newPodSandboxStatusResponse,
  newRemoveContainerResponse,
  newRemovePodSandboxResponse,
  newReopenContainerLogResponse,
  newRunPodSandboxResponse,
  newRuntimeCondition,
  newRuntimeConfigResponse,
  newRuntimeFeatures,
  newRuntimeHandler,
  newRuntimeHandlerFeatures,
  newRuntimeStatus,
  newStartContainerResponse,
  newStatusResponse,
  newStopContainerResponse,
  newStopPodSandboxResponse,
  newVersionResponse,
} from '../ports/cri/messages.js';
import type { RuntimeVerbs } from '../ports/cri/runtime.js';
import { ContainerService } from './container-service.js';
import { offerExec } from './exec-offer.js';
import { followExits, settleExit } from './exits.js';
import {
  containerItem,
  containerMatches,
  containerState,
  containerStatus,
  sandboxItem,
  sandboxMatches,
  sandboxState,
  sandboxStatus,
} from './messages.js';
import type { PodsParts } from './pods.js';
import { Pods } from './pods.js';
import { startPatrol } from './patrol.js';
import { recover } from './recovery.js';
import { SandboxService } from './sandbox-service.js';
import type { SettleServices } from './settle-sandbox.js';
import { hasEndedUnnoticed, settleSandbox } from './settle-sandbox.js';

const nsPerMs = 1_000_000n;
const maxExecOutputBytes = 16 * 1024 * 1024;

/** The runtime half's public face: CRI's runtime verbs, and starting and ending as a whole. */
export interface PodsRoom {
  verbs: RuntimeVerbs;
  /** Recovers from the last run, then follows exits. */
  start(): Promise<void>;
  /** Stops following; containers run on. */
  stop(): Promise<void>;
  /** Stops and removes every sandbox: nodelet is leaving the machine. */
  removeAll(): Promise<void>;
  /** How many sandboxes and containers are in each CRI state (`ready`, `running`), for metrics. */
  counts(): { sandboxes: Record<string, number>; containers: Record<string, number> };
}

export function createPods(parts: PodsParts, version: string): PodsRoom {
  const pods = new Pods(parts);
  const containers = new ContainerService(pods);
  const sandboxes = new SandboxService(pods, containers);
  const services = { sandboxes, containers };
  let stopFollowing: () => void = () => undefined;
  return {
    verbs: {
      ...sandboxVerbs(pods, services),
      ...containerVerbs(pods, services),
      ...nodeVerbs(pods, version),
    },
    start: async () => {
      await recover(pods, services);
      const stopWatch = followExits(pods);
      const stopPatrol = startPatrol(pods, services);
      stopFollowing = () => {
        stopWatch();
        stopPatrol();
      };
      // An exit between recovery and the watch would be missed otherwise.
      for (const record of pods.ledger.allContainers()) {
        await pods.queue.run(record.sandboxId, () => settleExit(pods, record.id));
      }
    },
    stop: async () => {
      stopFollowing();
      await pods.queue.drain();
    },
    removeAll: async () => {
      for (const record of pods.ledger.allSandboxes()) await sandboxes.remove(record.id);
    },
    counts: () => ({
      sandboxes: tally(PodSandboxStateValues, pods.ledger.allSandboxes().map(sandboxState)),
      containers: tally(ContainerStateValues, pods.ledger.allContainers().map(containerState)),
    }),
  };
}

/** How many are in each state, by the state's short name (`ready`); zero, too, so that a graph has no gaps. */
function tally<State extends string>(
  known: readonly State[],
  states: (State | undefined)[],
): Record<string, number> {
  const shortName = (state: State): string => state.replace(/^(SANDBOX|CONTAINER)_/, '').toLowerCase();
  const counts = Object.fromEntries(known.map((state) => [shortName(state), 0]));
  for (const state of states) {
    if (state !== undefined) counts[shortName(state)] = (counts[shortName(state)] ?? 0) + 1;
  }
  return counts;
}

/** An end that nobody has told of yet is recorded before a status is told: a patrol alone would be seconds late. */
async function noticeEnd(pods: Pods, services: SettleServices, id: SandboxId): Promise<void> {
  const sandbox = pods.ledger.sandbox(id);
  if (sandbox === undefined || !hasEndedUnnoticed(pods, sandbox)) return;
  await pods.queue.run(id, () => settleSandbox(pods, services, id));
}

function sandboxVerbs(pods: Pods, services: SettleServices) {
  const { sandboxes } = services;
  return {
    RunPodSandbox: async (request, ctx) => {
      if (request.config === null) {
        throw new NodeletError('invalid', 'the sandbox has no config', { field: 'config' });
      }
      const id = await sandboxes.run(request.config, request.runtime_handler, ctx);
      return newRunPodSandboxResponse({ pod_sandbox_id: id });
    },
    StopPodSandbox: async (request) => {
      const record = pods.ledger.findSandboxIfAny(request.pod_sandbox_id);
      if (record !== undefined) await sandboxes.stop(record.id);
      return newStopPodSandboxResponse();
    },
    RemovePodSandbox: async (request) => {
      const record = pods.ledger.findSandboxIfAny(request.pod_sandbox_id);
      if (record !== undefined) await sandboxes.remove(record.id);
      return newRemovePodSandboxResponse();
    },
    PodSandboxStatus: async (request): Promise<PodSandboxStatusResponse> => {
      await noticeEnd(pods, services, pods.ledger.findSandbox(request.pod_sandbox_id).id);
      const record = pods.ledger.findSandbox(request.pod_sandbox_id);
      return newPodSandboxStatusResponse({
        status: sandboxStatus(record),
        containers_statuses: pods.ledger
          .containersOf(record.id)
          .filter((container) => containerState(container) !== undefined)
          .map(containerStatus),
        timestamp: pods.nowNs(),
        info: request.verbose ? { info: JSON.stringify({ pid: record.infra?.pid ?? 0, record }) } : {},
      });
    },
    ListPodSandbox: async (request) =>
      newListPodSandboxResponse({
        items: pods.ledger
          .allSandboxes()
          .filter((record) => sandboxMatches(record, request.filter))
          .map(sandboxItem),
      }),
  } satisfies Partial<RuntimeVerbs>;
}

function containerVerbs(pods: Pods, services: SettleServices) {
  const { containers } = services;
  const runner = pods.parts.runner;
  const running = (given: string) => {
    const record = pods.ledger.findContainer(given);
    if (record.stage === 'running') return record;
    throw new NodeletError('wrong-state', `container ${record.id} is ${record.stage}, not running`, {
      field: 'container_id',
    });
  };
  return {
    CreateContainer: async (request, ctx) => {
      if (request.config === null) {
        throw new NodeletError('invalid', 'the container has no config', { field: 'config' });
      }
      const sandbox = pods.ledger.findSandbox(request.pod_sandbox_id);
      const id = await containers.create(sandbox, request.config, ctx);
      return newCreateContainerResponse({ container_id: id });
    },
    StartContainer: async (request, ctx) => {
      await containers.start(pods.ledger.findContainer(request.container_id).id, ctx);
      return newStartContainerResponse();
    },
    StopContainer: async (request) => {
      const record = pods.ledger.findContainerIfAny(request.container_id);
      if (record !== undefined) await containers.stop(record.id, Number(request.timeout) * 1000);
      return newStopContainerResponse();
    },
    RemoveContainer: async (request) => {
      const record = pods.ledger.findContainerIfAny(request.container_id);
      if (record !== undefined) await containers.remove(record.id);
      return newRemoveContainerResponse();
    },
    ListContainers: async (request) =>
      newListContainersResponse({
        containers: pods.ledger
          .allContainers()
          .filter((record) => containerMatches(record, request.filter))
          .map(containerItem),
      }),
    ContainerStatus: async (request): Promise<ContainerStatusResponse> => {
      await noticeEnd(pods, services, pods.ledger.findContainer(request.container_id).sandboxId);
      const record = pods.ledger.findContainer(request.container_id);
      return newContainerStatusResponse({
        status: containerStatus(record),
        info: request.verbose ? { info: JSON.stringify({ pid: record.process?.pid ?? 0, record }) } : {},
      });
    },
    ExecSync: async (request, ctx) => {
      if (request.cmd.length === 0) {
        throw new NodeletError('invalid', 'no command is given', { field: 'cmd' });
      }
      if (request.timeout.startsWith('-')) {
        throw new NodeletError('invalid', 'is negative', { field: 'timeout' });
      }
      const record = running(request.container_id);
      const timeoutMs = request.timeout === '0' ? undefined : Number(request.timeout) * 1000;
      const result = await runner.execSync(
        {
          ...containers.target(record),
          cmd: request.cmd,
          timeoutMs,
          maxOutputBytes: maxExecOutputBytes,
        },
        ctx,
      );
      return newExecSyncResponse({
        exit_code: result.exitCode,
        stdout: result.stdout,
        stderr: result.stderr,
      });
    },
    Exec: async (request) => {
      const target = containers.target(running(request.container_id));
      return newExecResponse({ url: offerExec(pods, target, request) });
    },
    ReopenContainerLog: async (request, ctx) => {
      const record = running(request.container_id);
      await runner.reopenLog({ ...containers.target(record), logPath: record.logPath }, ctx);
      return newReopenContainerLogResponse();
    },
  } satisfies Partial<RuntimeVerbs>;
}

function nodeVerbs(pods: Pods, version: string) {
  const { network, runner, host } = pods.parts;
  return {
    Version: async () =>
      newVersionResponse({
        version: '0.1.0',
        runtime_name: 'nodelet',
        runtime_version: version,
        runtime_api_version: 'v1',
      }),
    Status: async (request) => {
      const net = network.ready();
      return newStatusResponse({
        status: newRuntimeStatus({
          conditions: [
            newRuntimeCondition({ type: 'RuntimeReady', status: true }),
            newRuntimeCondition({
              type: 'NetworkReady',
              status: net.ready,
              reason: net.reason,
              message: net.message,
            }),
          ],
        }),
        info: request.verbose
          ? {
              config: JSON.stringify(pods.parts.config),
              nowMs: (host.clock.nowNs() / nsPerMs).toString(),
            }
          : {},
        runtime_handlers: ['', ...runner.handlers()].map((name) =>
          newRuntimeHandler({ name, features: newRuntimeHandlerFeatures() }),
        ),
        features: newRuntimeFeatures({ supplemental_groups_policy: true }),
      });
    },
    RuntimeConfig: async () =>
      newRuntimeConfigResponse({ linux: newLinuxRuntimeConfiguration({ cgroup_driver: 'CGROUPFS' }) }),
  } satisfies Partial<RuntimeVerbs>;
}
