import {
  newLinuxRuntimeConfiguration,
  newRuntimeConfigResponse,
  newRuntimeFeatures,
  newRuntimeStatus,
  newStatusResponse,
  newUpdateRuntimeConfigResponse,
  newVersionResponse,
} from '../ports/cri/messages.js';
import type { RuntimeVerbs } from '../ports/cri/runtime.js';
import { nodeConditions, nodeInfo, runtimeHandlers } from './node-status.js';
import type { Pods } from './pods.js';
import { hasUserNamespaces } from './security/user-namespaces.js';

/** CRI's verbs about the runtime as a whole. */
export function nodeVerbs(pods: Pods, version: string) {
  const { network } = pods.parts;
  return {
    Version: async () =>
      newVersionResponse({
        version: '0.1.0',
        runtime_name: 'nodelet',
        runtime_version: version,
        runtime_api_version: 'v1',
      }),
    Status: async (request) =>
      newStatusResponse({
        status: newRuntimeStatus({ conditions: await nodeConditions(pods) }),
        info: request.verbose ? await nodeInfo(pods, version) : {},
        runtime_handlers: await runtimeHandlers(pods),
        features: newRuntimeFeatures({
          supplemental_groups_policy: true,
          user_namespaces_host_network: await hasUserNamespaces(pods),
        }),
      }),
    RuntimeConfig: async () =>
      newRuntimeConfigResponse({ linux: newLinuxRuntimeConfiguration({ cgroup_driver: 'CGROUPFS' }) }),
    UpdateRuntimeConfig: async ({ runtime_config }) => {
      await network.assignRange(runtime_config?.network_config?.pod_cidr ?? '');
      return newUpdateRuntimeConfigResponse();
    },
    GetContainerEvents: (_request, ctx) => pods.events.follow(ctx.signal),
  } satisfies Partial<RuntimeVerbs>;
}
