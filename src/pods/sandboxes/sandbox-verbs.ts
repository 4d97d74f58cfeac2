import { NodeletError } from '../../base/errors.js';
import type { PodSandboxStatusResponse } from '../../ports/cri/messages.js';
import {
  newListPodSandboxResponse,
  newPodSandboxStatusResponse,
  newRemovePodSandboxResponse,
  newRunPodSandboxResponse,
  newStopPodSandboxResponse,
  newUpdatePodSandboxResourcesResponse,
} from '../../ports/cri/messages.js';
import type { RuntimeVerbs } from '../../ports/cri/runtime.js';
import {
  containerState,
  containerStatus,
  newestFirst,
  sandboxItem,
  sandboxMatches,
  sandboxStatus,
} from '../messages.js';
import type { Pods } from '../pods.js';
import type { SettleServices } from './settle-sandbox.js';
import { noticeEnd } from './settle-sandbox.js';
import { sandboxInfo } from '../verbose-info.js';

/** CRI's verbs about pod sandboxes: requests are checked and found here, the work is the services'. */
export function sandboxVerbs(pods: Pods, services: SettleServices) {
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
    UpdatePodSandboxResources: async (request) => {
      await services.resources.updateSandbox(request);
      return newUpdatePodSandboxResourcesResponse();
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
        info: request.verbose ? await sandboxInfo(pods, record) : {},
      });
    },
    ListPodSandbox: async (request) =>
      newListPodSandboxResponse({
        items: pods.ledger
          .allSandboxes()
          .filter((record) => sandboxMatches(record, request.filter))
          .sort(newestFirst)
          .map(sandboxItem),
      }),
  } satisfies Partial<RuntimeVerbs>;
}
