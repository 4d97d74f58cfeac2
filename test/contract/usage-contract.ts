import { expect } from 'chai';
import type { ContractFactory } from './contract.js';
import { declareContract } from './contract.js';

const sigkill = 9;

export function usageContract(factory: ContractFactory): void {
  declareContract('the meters of usage', factory, {
    'count what is in a group and below it, and nothing of one that is gone': async (world) => {
      const { cgroups, cgroupMeters, processes } = world.host;
      const [group, other] = [`/nlc${world.suffix}`, await world.spawnOther()];
      await cgroups.create(`${group}/pod`);
      await cgroups.attach(`${group}/pod`, other.pid);
      const meter = await cgroupMeters.open();
      expect(meter.read(group)?.tasks).to.equal(1);
      expect(meter.read(`${group}/pod`)?.memory?.usageBytes).to.be.at.least(0);
      expect(meter.detail(`${group}/pod`)?.pids).to.deep.equal([other.pid]);
      expect(meter.detail(group)?.pids, 'none of the group itself').to.deep.equal([]);
      processes.kill(other, sigkill);
      await processes.waitGone(other, 5_000);
      await cgroups.remove(group);
      expect(meter.read(`${group}/pod`)).to.equal(undefined);
      expect(meter.detail(`${group}/pod`)).to.equal(undefined);
    },
    'know the open files of a live process only': async (world) => {
      const { processes, usageProbes } = world.host;
      const other = await world.spawnOther();
      expect((await usageProbes.openFiles(other.pid, 1000))?.descriptors).to.be.at.least(3);
      processes.kill(other, sigkill);
      await processes.waitGone(other, 5_000);
      expect((await usageProbes.openFiles(other.pid, 1000))?.descriptors ?? 0).to.equal(0);
    },
    'measure a folder with what is in it, up to a bound': async ({ host, dir }) => {
      const signal = new AbortController().signal;
      const measure = (maxEntries: number) => host.usageProbes.folder(dir, { maxEntries, signal });
      for (const name of ['a', 'b']) await host.files.writeAtomic(`${dir}/${name}`, 'text');
      expect(await measure(100)).to.deep.include({ inodes: 3, complete: true });
      expect((await measure(100))?.bytes).to.be.at.least(8);
      expect(await measure(2)).to.deep.include({ inodes: 2, complete: false });
      expect(await host.usageProbes.folder(`${dir}/gone`, { maxEntries: 1, signal })).to.equal(undefined);
    },
    'know what may still be written to the file system of a folder': async ({ host, dir }) => {
      const { capacityBytes, availableBytes } = await host.usageProbes.fileSystem(dir);
      expect(capacityBytes).to.be.above(0);
      expect(availableBytes).to.be.within(0, capacityBytes);
    },
    'count the traffic of each link of the host': async (world) => {
      const name = `nlb${world.suffix}`;
      await world.host.links.ensureBridge({ name, mac: '02:00:00:00:00:09', addresses: [], mtu: 1500 });
      expect((await world.host.links.traffic()).get(name)?.received.bytes).to.equal(0);
      await world.host.links.remove(name);
      expect((await world.host.links.traffic()).has(name)).to.equal(false);
    },
  });
}
