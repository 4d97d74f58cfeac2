import type { ContainerRecord, SandboxRecord } from '../state/records.js';
import type { Pods } from './pods.js';

/** What `crictl inspectp` shows beyond a sandbox's status, under the names that its users know from other runtimes. */
export async function sandboxInfo(pods: Pods, record: SandboxRecord): Promise<Record<string, string>> {
  const { id, infra, stage, handler, netnsPath, cgroupPath, bundle, config } = record;
  const info = {
    pid: infra?.pid ?? 0,
    stage,
    snapshotKey: id,
    runtimeHandler: handler,
    netNamespace: netnsPath,
    cgroupPath,
    bundle,
    config,
    runtimeSpec: await runtimeSpec(pods, bundle),
  };
  const { resources = null, overhead = null } = config.linux ?? {};
  return { ...oneValue(info), resources: JSON.stringify({ resources, overhead }) };
}

/** The same for `crictl inspect` of a container. */
export async function containerInfo(pods: Pods, record: ContainerRecord): Promise<Record<string, string>> {
  const { id, sandboxId, process, monitor, stage, cgroupPath, bundle, config } = record;
  return oneValue({
    sandboxID: sandboxId,
    pid: process?.pid ?? 0,
    monitorPid: monitor?.pid ?? 0,
    stage,
    snapshotKey: id,
    cgroupPath,
    bundle,
    config,
    runtimeSpec: await runtimeSpec(pods, bundle),
  });
}

/** crictl unfolds the JSON of the key `info`. */
const oneValue = (info: object): Record<string, string> => ({ info: JSON.stringify(info) });

/** As the OCI runtime got it; null where that is gone. */
async function runtimeSpec(pods: Pods, bundle: string): Promise<unknown> {
  const text = await pods.parts.host.files.read(`${bundle}/config.json`);
  return text === undefined ? null : (JSON.parse(text.toString('utf8')) as unknown);
}
