import { connectionsContract } from '../contract/connections-contract.js';
import type { ContractWorld } from '../contract/contract.js';
import { filesContract } from '../contract/files-contract.js';
import { mountsContract } from '../contract/mounts-contract.js';
import { firewallContract, linksContract, namespacesContract } from '../contract/network-contract.js';
import { monitorContract, ociRuntimeContract, tornCreateContract } from '../contract/oci-contract.js';
import {
  cgroupsContract,
  clockContract,
  processesContract,
  recordsContract,
} from '../contract/system-contract.js';
import { usageContract } from '../contract/usage-contract.js';
import { Session } from './host/session.js';
import { simHost } from './host/sim-host.js';
import { agentCgroup } from './machine/conmon.js';
import { SimMachine } from './machine/machine.js';
import { hostNetNs } from './machine/net-stack.js';
import { hostPidNs } from './machine/process-table.js';

/** A machine of its own for each case. */
async function simWorld(): Promise<ContractWorld> {
  const machine = new SimMachine(1);
  const dir = '/tmp/contract';
  const rootfs = '/tmp/rootfs';
  machine.files.makeDir(dir);
  machine.files.makeDir(`${rootfs}/bin`);
  for (const name of ['sh', 'sleep', 'true']) machine.files.write(`${rootfs}/bin/${name}`, '');
  let session = new Session(machine, () => undefined);
  return {
    host: simHost(session),
    dir,
    rootfs,
    suffix: 'abc123',
    run: (work) => machine.clock.drive(work()),
    spawnOther: async () => {
      const { pid, startTicks } = machine.processes.spawn({
        argv: ['sleep', '1000'],
        cgroup: agentCgroup,
        netNs: hostNetNs,
        pidNs: hostPidNs,
        isInit: false,
        onSignal: (signal) => 128 + signal,
      });
      return { pid, startTicks };
    },
    listen: async (at) => {
      const name = 'packets' in at ? at.packets : `${machine.netNsAt(at.netnsPath)} ${at.address} ${at.port}`;
      machine.listeners.set(name, (connection) => void connection.pipe(connection));
    },
    reopen: async () => {
      session.crash();
      session = new Session(machine, () => undefined);
      return simHost(session);
    },
    end: async () => undefined,
  };
}

describe('sim: the model keeps the contracts of the ports', () => {
  filesContract(simWorld);
  mountsContract(simWorld);
  namespacesContract(simWorld);
  connectionsContract(simWorld);
  linksContract(simWorld);
  firewallContract(simWorld);
  cgroupsContract(simWorld);
  processesContract(simWorld);
  recordsContract(simWorld);
  clockContract(simWorld);
  usageContract(simWorld);
  ociRuntimeContract(simWorld, '/usr/bin/crun');
  ociRuntimeContract(simWorld, '/usr/sbin/runc');
  tornCreateContract(simWorld, '/usr/bin/crun');
  monitorContract(simWorld, '/usr/bin/crun');
});
