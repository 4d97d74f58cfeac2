import {
  newLinuxRuntimeConfiguration,
  newRuntimeCondition,
  newRuntimeConfigResponse,
  newRuntimeFeatures,
  newRuntimeHandler,
  newRuntimeHandlerFeatures,
  newRuntimeStatus,
  newStatusResponse,
  newUpdateRuntimeConfigResponse,
  newVersionResponse,
} from '../ports/cri/messages.js';
import type { RuntimeVerbs } from '../ports/cri/runtime.js';
import type { Pods } from './pods.js';
import { hasUserNamespaces } from './user-namespaces.js';

const nsPerMs = 1_000_000n;

/** CRI's verbs about the runtime as a whole. */
export function nodeVerbs(pods: Pods, version: string) {
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
      const handlers = await Promise.all(
        ['', ...runner.handlers()].map(async (name) => ({
          name,
          features: await runner.features(runner.resolveHandler(name)),
        })),
      );
      const user_namespaces = await hasUserNamespaces(pods);
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
        runtime_handlers: handlers.map(({ name, features }) =>
          newRuntimeHandler({
            name,
            features: newRuntimeHandlerFeatures({
              recursive_read_only_mounts: features.recursiveReadOnly,
              user_namespaces,
            }),
          }),
        ),
        features: newRuntimeFeatures({
          supplemental_groups_policy: true,
          user_namespaces_host_network: user_namespaces,
        }),
      });
    },
    RuntimeConfig: async () =>
      newRuntimeConfigResponse({ linux: newLinuxRuntimeConfiguration({ cgroup_driver: 'CGROUPFS' }) }),
    UpdateRuntimeConfig: async ({ runtime_config }) => {
      await network.assignRange(runtime_config?.network_config?.pod_cidr ?? '');
      return newUpdateRuntimeConfigResponse();
    },
    GetContainerEvents: (_request, ctx) => pods.events.follow(ctx.signal),
  } satisfies Partial<RuntimeVerbs>;
}
