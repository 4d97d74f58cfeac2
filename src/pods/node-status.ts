import type { RuntimeCondition, RuntimeHandler } from '../ports/cri/messages.js';
import { newRuntimeCondition, newRuntimeHandler, newRuntimeHandlerFeatures } from '../ports/cri/messages.js';
import type { Pods } from './pods.js';
import { hasUserNamespaces } from './security/user-namespaces.js';

/** CRI's conditions as they are now. No process is started for them: a kubelet asks every few seconds. */
export async function nodeConditions(pods: Pods): Promise<RuntimeCondition[]> {
  const { network, runner, host } = pods.parts;
  const missing = await runner.missingPrograms();
  const refusal = await host.store.refusal();
  const net = network.ready();
  const runtime =
    missing.length > 0
      ? {
          reason: 'ProgramMissing',
          message: `can't be run: ${missing.join(', ')}; nodelet doctor tells what is missing`,
        }
      : refusal !== undefined
        ? { reason: 'RecordsRefused', message: refusal.describe() }
        : undefined;
  return [
    newRuntimeCondition({ type: 'RuntimeReady', status: runtime === undefined, ...runtime }),
    newRuntimeCondition({
      type: 'NetworkReady',
      status: net.ready,
      reason: net.reason,
      message: net.message,
    }),
  ];
}

/** Each configured handler with what it can do; the empty name is the default one. */
export async function runtimeHandlers(pods: Pods): Promise<RuntimeHandler[]> {
  const { runner } = pods.parts;
  const user_namespaces = await hasUserNamespaces(pods);
  return Promise.all(
    ['', ...runner.handlers()].map(async (name) => {
      const features = await runner.features(runner.resolveHandler(name));
      return newRuntimeHandler({
        name,
        features: newRuntimeHandlerFeatures({
          recursive_read_only_mounts: features.recursiveReadOnly,
          user_namespaces,
        }),
      });
    }),
  );
}

/** What `crictl info` shows of a node beside its status: each value is JSON. */
export async function nodeInfo(pods: Pods, version: string): Promise<Record<string, string>> {
  const { config, host, limits, network } = pods.parts;
  const { version: cgroups, controllers } = await host.cgroups.info();
  const info = {
    config,
    versions: { nodelet: version, node: process.version, v8: process.versions.v8 },
    cgroups: { version: cgroups, controllers },
    network: { ...network.ready(), range: network.range() },
    security: { appArmor: limits.appArmor, selinux: limits.selinux !== undefined },
    pods: pods.ledger.allSandboxes().length,
    containers: pods.ledger.allContainers().length,
  };
  return Object.fromEntries(Object.entries(info).map(([key, value]) => [key, JSON.stringify(value)]));
}
