import { NodeletError } from '../../base/errors.js';
import type { ContainerStatusResponse, PodSandboxConfig } from '../../ports/cri/messages.js';
import {
  newContainerStatusResponse,
  newCreateContainerResponse,
  newExecSyncResponse,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newListContainersResponse,
  newRemoveContainerResponse,
  newReopenContainerLogResponse,
  newStartContainerResponse,
  newStopContainerResponse,
  newUpdateContainerResourcesResponse,
} from '../../ports/cri/messages.js';
import type { RuntimeVerbs } from '../../ports/cri/runtime.js';
import { validateWords } from '../../spec/process-words.js';
import type { SandboxRecord } from '../../state/records.js';
import { containerTarget, runningContainer } from './container-target.js';
import { containerItem, containerMatches, containerStatus, newestFirst } from '../messages.js';
import type { Pods } from '../pods.js';
import type { SettleServices } from '../sandboxes/settle-sandbox.js';
import { noticeEnd } from '../sandboxes/settle-sandbox.js';
import { containerInfo } from '../verbose-info.js';

/** Both outputs go into one answer, and a gRPC message holds 16 MiB: this leaves room for what is around them. */
const maxExecOutputBytes = 16 * 1024 * 1024 - 1024;

/** The sandbox has the config that it was made with; a request that names another pod is meant for another sandbox. */
function refuseOtherPod({ metadata: own }: PodSandboxConfig, given: PodSandboxConfig | null): void {
  const other = given?.metadata ?? own;
  const part = (['name', 'namespace', 'uid'] as const).find((each) => other?.[each] !== own?.[each]);
  if (part === undefined) return;
  throw new NodeletError(
    'invalid',
    `is "${other?.[part] ?? ''}", but the pod of that sandbox has "${own?.[part] ?? ''}"`,
    { field: `sandbox_config.metadata.${part}`, remedy: 'give the config that the sandbox was run with' },
  );
}

/**
 * The pod as the request has it in the one thing that changes: its config says privileged as soon as one of its containers is,
 * and a debug container that the kubelet adds to a running pod can be the first.
 */
function withPrivilege(sandbox: SandboxRecord, given: PodSandboxConfig | null): SandboxRecord {
  const { config } = sandbox;
  if (given?.linux?.security_context?.privileged !== true) return sandbox;
  const linux = config.linux ?? newLinuxPodSandboxConfig();
  const context = linux.security_context ?? newLinuxSandboxSecurityContext();
  const security_context = { ...context, privileged: true };
  return { ...sandbox, config: { ...config, linux: { ...linux, security_context } } };
}

/** CRI's verbs about containers, exec and logs included. */
export function containerVerbs(pods: Pods, services: SettleServices) {
  const { containers, stops } = services;
  const runner = pods.parts.runner;
  return {
    CreateContainer: async (request, ctx) => {
      if (request.config === null) {
        throw new NodeletError('invalid', 'the container has no config', { field: 'config' });
      }
      const sandbox = pods.ledger.findSandbox(request.pod_sandbox_id);
      refuseOtherPod(sandbox.config, request.sandbox_config);
      const pod = withPrivilege(sandbox, request.sandbox_config);
      const id = await containers.create(pod, request.config, ctx);
      return newCreateContainerResponse({ container_id: id });
    },
    StartContainer: async (request, ctx) => {
      await containers.start(pods.ledger.findContainer(request.container_id).id, ctx);
      return newStartContainerResponse();
    },
    StopContainer: async (request, ctx) => {
      if (request.timeout.startsWith('-')) {
        throw new NodeletError('invalid', 'is negative', { field: 'timeout' });
      }
      const record = pods.ledger.findContainerIfAny(request.container_id);
      if (record !== undefined) await stops.stop(record.id, Number(request.timeout) * 1000, ctx);
      return newStopContainerResponse();
    },
    RemoveContainer: async (request) => {
      const record = pods.ledger.findContainerIfAny(request.container_id);
      if (record !== undefined) await containers.remove(record.id);
      return newRemoveContainerResponse();
    },
    UpdateContainerResources: async (request) => {
      await services.resources.updateContainer(request);
      return newUpdateContainerResourcesResponse();
    },
    ListContainers: async (request) =>
      newListContainersResponse({
        containers: pods.ledger
          .allContainers()
          .filter((record) => containerMatches(record, request.filter))
          .sort(newestFirst)
          .map(containerItem),
      }),
    ContainerStatus: async (request): Promise<ContainerStatusResponse> => {
      await noticeEnd(pods, services, pods.ledger.findContainer(request.container_id).sandboxId);
      const record = pods.ledger.findContainer(request.container_id);
      return newContainerStatusResponse({
        status: containerStatus(record),
        info: request.verbose ? await containerInfo(pods, record) : {},
      });
    },
    ExecSync: async (request, ctx) => {
      if (request.cmd.length === 0) {
        throw new NodeletError('invalid', 'no command is given', { field: 'cmd' });
      }
      validateWords(request.cmd, 'cmd');
      if (request.timeout.startsWith('-')) {
        throw new NodeletError('invalid', 'is negative', { field: 'timeout' });
      }
      const record = runningContainer(pods, request.container_id);
      const timeoutMs = request.timeout === '0' ? undefined : Number(request.timeout) * 1000;
      const result = await runner.execSync(
        {
          ...containerTarget(pods, record),
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
    ReopenContainerLog: async (request, ctx) => {
      const record = runningContainer(pods, request.container_id);
      const { logPath, monitor } = record;
      await runner.reopenLog({ ...containerTarget(pods, record), logPath, monitor }, ctx);
      return newReopenContainerLogResponse();
    },
  } satisfies Partial<RuntimeVerbs>;
}
