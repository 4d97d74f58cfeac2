import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createCgroups } from '../../../src/host/cgroups.js';
import { createMounts } from '../../../src/host/mounts.js';
import { createRealHost } from '../../../src/host/real-host.js';
import { connectionsContract } from '../../contract/connections-contract.js';
import type { ContractWorld } from '../../contract/contract.js';
import { filesContract } from '../../contract/files-contract.js';
import { mountsContract } from '../../contract/mounts-contract.js';
import { firewallContract, linksContract, namespacesContract } from '../../contract/network-contract.js';
import { monitorContract, ociRuntimeContract, tornCreateContract } from '../../contract/oci-contract.js';
import {
  cgroupsContract,
  clockContract,
  processesContract,
  recordsContract,
} from '../../contract/system-contract.js';
import { usageContract } from '../../contract/usage-contract.js';
import { echoListener } from './echo-listener.js';

const goneMs = 10_000;

/** This machine, under names of its own; `end` takes away whatever a case has left, also one that failed. */
async function realWorld(): Promise<ContractWorld> {
  const suffix = randomBytes(3).toString('hex');
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'nlcontract-'));
  const [dir, rootfs] = [`${base}/dir`, `${base}/rootfs`];
  fs.mkdirSync(dir);
  fs.mkdirSync(`${rootfs}/bin`, { recursive: true });
  for (const name of ['proc', 'dev', 'sys']) fs.mkdirSync(`${rootfs}/${name}`);
  fs.copyFileSync('/bin/busybox', `${rootfs}/bin/busybox`);
  for (const name of ['sh', 'sleep', 'true']) fs.symlinkSync('busybox', `${rootfs}/bin/${name}`);
  const paths = { storePath: `${base}/records`, bootPath: `${base}/boot-records` };
  let host = createRealHost(paths);
  const others: ChildProcess[] = [];
  const listeners: (() => void)[] = [];

  const endContainers = async () => {
    const ours = (await host.processes.list()).filter(({ argv }) => argv.some((arg) => arg.includes(base)));
    const pids = await host.cgroups.pids(`/nlc${suffix}`);
    const inside = pids.flatMap((pid) => host.processes.identify(pid) ?? []);
    for (const process of [...inside, ...ours.map(({ identity }) => identity)]) {
      host.processes.kill(process, 9);
      await host.processes.waitGone(process, goneMs);
    }
    await host.cgroups.remove(`/nlc${suffix}`);
  };
  const endMounts = async () => {
    for (const { target } of (await host.mounts.list(base)).reverse()) await host.mounts.unmount(target);
  };
  return {
    host,
    dir,
    rootfs,
    suffix,
    run: (work) => work(),
    spawnOther: async () => {
      const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
      others.push(child);
      const found = host.processes.identify(child.pid ?? 0);
      if (found === undefined) throw new Error('sleep did not start');
      return found;
    },
    listen: async (at) => void listeners.push(echoListener(at)),
    reopen: async () => {
      await host.store.close();
      return (host = createRealHost(paths));
    },
    end: async () => {
      for (const stop of listeners) stop();
      for (const other of others) other.kill('SIGKILL');
      await endContainers();
      await endMounts();
      for (const name of [`nlv${suffix}`, `nlb${suffix}`]) await host.links.remove(name);
      await host.firewall.apply(`table ip nlt${suffix} {}\ndelete table ip nlt${suffix}\n`);
      await host.store.close();
      fs.rmSync(base, { recursive: true, force: true });
    },
  };
}

describe('host: this machine keeps the contracts of the ports', () => {
  const mounted: string[] = [];
  before('let crun run on a hybrid machine', async () => {
    const cgroups = createCgroups();
    const { version, strandedControllers } = await cgroups.info();
    for (const controller of version === 'hybrid' ? strandedControllers : []) {
      await cgroups.mountV1Controller(controller);
      mounted.push(`/sys/fs/cgroup/${controller}`);
    }
  });
  after(async () => {
    for (const target of mounted) {
      await createMounts().unmount(target);
      fs.rmdirSync(target);
    }
  });
  filesContract(realWorld);
  mountsContract(realWorld);
  namespacesContract(realWorld);
  connectionsContract(realWorld);
  linksContract(realWorld);
  firewallContract(realWorld);
  cgroupsContract(realWorld);
  processesContract(realWorld);
  recordsContract(realWorld);
  clockContract(realWorld);
  usageContract(realWorld);
  ociRuntimeContract(realWorld, '/usr/bin/crun');
  ociRuntimeContract(realWorld, '/usr/sbin/runc');
  tornCreateContract(realWorld, '/usr/bin/crun');
  monitorContract(realWorld, '/usr/bin/crun');
});
