import type { CallContext } from '../../base/call-context.js';
import { settleAll } from '../../base/settle-all.js';
import type { PortMapping } from '../../network/pod-network.js';
import type { ProcessIdentity } from '../../ports/processes.js';
import type { RunnerTarget } from '../../runtime/container-runner.js';
import { podIdMapping } from '../../spec/mounts/id-mappings.js';
import { explainSysctl, setsNetwork } from '../../spec/sysctls.js';
import type { SandboxRecord } from '../../state/records.js';
import type { Pods } from '../pods.js';

export interface InfraStart {
  record: SandboxRecord;
  target: RunnerTarget;
  ports: readonly PortMapping[];
}

/** Runs the infra container and gives the pod its network: side by side where neither needs what the other makes. */
export async function startInfra(
  pods: Pods,
  { record, target, ports }: InfraStart,
  ctx: CallContext,
): Promise<{ infra: ProcessIdentity; ips: string[] }> {
  const { runner, network, host } = pods.parts;
  const { id, netnsPath } = record;
  const sysctls = record.config.linux?.sysctls ?? {};
  const attach = async () => {
    if (record.networkMode !== 'bridge' || netnsPath === undefined) return [];
    return (await network.attach({ sandboxId: id, netnsPath, ports }, ctx)).ips;
  };
  const runInfra = () =>
    runner.runInfra(target, ctx).catch((thrown: unknown) => {
      throw explainSysctl(thrown, sysctls);
    });
  if (podIdMapping(record.config) !== undefined) {
    // The pod's user namespace owns its network namespace only where both are made together, which the OCI runtime does.
    const infra = await runInfra();
    if (netnsPath !== undefined) await host.namespaces.pinNet(netnsPath, infra.pid);
    return { infra, ips: await attach() };
  }
  const attaching = attach();
  const [ips, infra] = await settleAll([
    attaching,
    // The OCI runtime sets them, also those of the interface.
    setsNetwork(sysctls) ? attaching.then(runInfra) : runInfra(),
  ]);
  return { infra, ips };
}
