import { expect } from 'chai';
import type { VethSpec } from '../../src/ports/links.js';
import type { ContractFactory, ContractWorld } from './contract.js';
import { declareContract, eventually, outcomeOf } from './contract.js';

export function namespacesContract(factory: ContractFactory): void {
  declareContract('network namespaces', factory, {
    'pins one at a path, with its folder': async ({ host: { namespaces }, dir }) => {
      await namespaces.createNet(`${dir}/netns/pod`);
      expect(await namespaces.isPinned(`${dir}/netns/pod`)).to.equal(true);
      expect(await namespaces.listPinned(`${dir}/netns`)).to.deep.equal([`${dir}/netns/pod`]);
    },
    'refuses a path where one is pinned': async ({ host: { namespaces }, dir }) => {
      await namespaces.createNet(`${dir}/pod`);
      expect(await outcomeOf(namespaces.createNet(`${dir}/pod`))).to.equal('exists');
      expect(await namespaces.isPinned(`${dir}/pod`)).to.equal(true);
    },
    'removes one with its file, and what is not there': async ({ host: { namespaces, files }, dir }) => {
      await namespaces.createNet(`${dir}/pod`);
      for (const _ of [1, 2]) await namespaces.removeNet(`${dir}/pod`);
      expect(await namespaces.isPinned(`${dir}/pod`)).to.equal(false);
      expect(await files.list(dir)).to.deep.equal([]);
    },
    'pins the one that a process is in, which outlives the process': async (world) => {
      const { namespaces, processes, files } = world.host;
      const other = await world.spawnOther();
      await namespaces.pinNet(`${world.dir}/netns/pod`, other.pid);
      expect(await namespaces.isPinned(`${world.dir}/netns/pod`)).to.equal(true);
      const again = namespaces.pinNet(`${world.dir}/netns/pod`, other.pid);
      expect(await outcomeOf(again)).to.equal('exists');
      processes.kill(other, 9);
      await processes.waitGone(other, 10_000);
      expect(await outcomeOf(namespaces.pinNet(`${world.dir}/late`, other.pid))).not.to.equal('done');
      expect(await namespaces.isPinned(`${world.dir}/netns/pod`)).to.equal(true);
      await namespaces.removeNet(`${world.dir}/netns/pod`);
      expect(await files.list(`${world.dir}/netns`)).to.deep.equal([]);
    },
    'takes over, or removes, the file of a creation that was cut short': async (world) => {
      const { namespaces, files } = world.host;
      for (const name of ['again', 'away']) await files.writeAtomic(`${world.dir}/${name}`, '');
      await namespaces.createNet(`${world.dir}/again`);
      expect(await namespaces.isPinned(`${world.dir}/again`)).to.equal(true);
      await namespaces.removeNet(`${world.dir}/away`);
      expect(await files.list(world.dir)).to.deep.equal(['again']);
    },
  });
}

/** One of 10.254.0.0 to 10.254.254.0, by the world's own name. */
const subnetOf = ({ suffix }: ContractWorld) => `10.254.${parseInt(suffix.slice(0, 2), 16) % 255}`;
const bridgeOf = ({ suffix }: ContractWorld) => `nlb${suffix}`;
const vethOf = (world: ContractWorld): VethSpec => ({
  hostName: `nlv${world.suffix}`,
  bridge: bridgeOf(world),
  netnsPath: `${world.dir}/pod`,
  peerName: 'eth0',
  mac: '02:00:00:00:00:02',
  mtu: 1400,
  addresses: [`${subnetOf(world)}.2/24`],
  gateways: [`${subnetOf(world)}.1`],
});

async function bridged(world: ContractWorld): Promise<void> {
  const spec = { name: bridgeOf(world), mac: '02:00:00:00:00:01', mtu: 1400 };
  await world.host.links.ensureBridge({ ...spec, addresses: [`${subnetOf(world)}.1/24`] });
}

const linkNamed = async ({ host }: ContractWorld, name: string) =>
  (await host.links.list()).find((link) => link.name === name);

export function linksContract(factory: ContractFactory): void {
  declareContract('links', factory, {
    'makes a bridge once, however often it is asked for': async (world) => {
      for (const _ of [1, 2]) await bridged(world);
      expect(await linkNamed(world, bridgeOf(world))).to.include({ kind: 'bridge' });
    },
    'makes a veth whose host end is a port of the bridge': async (world) => {
      await bridged(world);
      await world.host.namespaces.createNet(`${world.dir}/pod`);
      await world.host.links.createVeth(vethOf(world));
      const { hostName } = vethOf(world);
      expect(await linkNamed(world, hostName)).to.include({ kind: 'veth', master: bridgeOf(world) });
      expect(
        await outcomeOf(world.host.links.createVeth(vethOf(world))),
        'a second of that name',
      ).not.to.equal('done');
    },
    'refuses a veth into a namespace that is not there, and leaves no link': async (world) => {
      await bridged(world);
      expect(await outcomeOf(world.host.links.createVeth(vethOf(world)))).not.to.equal('done');
      expect(await linkNamed(world, vethOf(world).hostName)).to.equal(undefined);
    },
    'removes a link, and what is not there': async (world) => {
      await bridged(world);
      for (const _ of [1, 2]) await world.host.links.remove(bridgeOf(world));
      expect(await linkNamed(world, bridgeOf(world))).to.equal(undefined);
    },
    'ends a veth with the namespace that its peer is in': async (world) => {
      await bridged(world);
      await world.host.namespaces.createNet(`${world.dir}/pod`);
      await world.host.links.createVeth(vethOf(world));
      await world.host.namespaces.removeNet(`${world.dir}/pod`);
      await eventually(world, 'the end of the veth', async () =>
        (await linkNamed(world, vethOf(world).hostName)) === undefined ? true : undefined,
      );
    },
  });
}

export function firewallContract(factory: ContractFactory): void {
  const script = (world: ContractWorld, body: string) => body.replaceAll('TABLE', `nlt${world.suffix}`);
  const apply = (world: ContractWorld, body: string) => world.host.firewall.apply(script(world, body));
  const elements = async (world: ContractWorld) =>
    JSON.stringify(await world.host.firewall.dump('ip', `nlt${world.suffix}`));
  const table = `table ip TABLE {
    map ports { type inet_service : ipv4_addr . inet_service; elements = { 8080 : 10.9.9.2 . 80 }; }
    chain pre { type nat hook prerouting priority dstnat; policy accept;
      dnat ip to tcp dport map @ports
    }
  }\n`;
  declareContract('the firewall', factory, {
    'has nothing of a table that is not there': async (world) => {
      expect(await elements(world)).to.equal('[]');
    },
    'makes a table, and adds and deletes elements of its maps': async (world) => {
      await apply(world, table);
      expect(await elements(world)).to.contain('10.9.9.2');
      await apply(world, 'add element ip TABLE ports { 8081 : 10.9.9.3 . 81 }\n');
      await apply(world, 'delete element ip TABLE ports { 8080 }\n');
      expect(await elements(world))
        .to.contain('10.9.9.3')
        .and.not.to.contain('10.9.9.2');
    },
    'changes nothing with a script that is refused in a later line': async (world) => {
      await apply(world, table);
      for (const bad of ['this is no statement', 'delete element ip TABLE ports { 9 }']) {
        const both = `add element ip TABLE ports { 8082 : 10.9.9.4 . 82 }\n${bad}\n`;
        expect(await outcomeOf(apply(world, both)), bad).to.equal('tool-failed');
      }
      expect(await elements(world)).not.to.contain('10.9.9.4');
    },
    'takes an element again, but not with another value': async (world) => {
      await apply(world, table);
      await apply(world, 'add element ip TABLE ports { 8080 : 10.9.9.2 . 80 }\n');
      const other = apply(world, 'add element ip TABLE ports { 8080 : 10.9.9.5 . 80 }\n');
      expect(await outcomeOf(other)).to.equal('tool-failed');
    },
    'replaces a whole table in one script': async (world) => {
      await apply(world, table);
      await apply(
        world,
        `table ip TABLE {}\ndelete table ip TABLE\n${table.replaceAll('10.9.9.2', '10.9.9.6')}`,
      );
      expect(await elements(world))
        .to.contain('10.9.9.6')
        .and.not.to.contain('10.9.9.2');
      expect(await outcomeOf(apply(world, 'delete table ip TABLE\n'))).to.equal('done');
      expect(await outcomeOf(apply(world, 'delete table ip TABLE\n'))).to.equal('tool-failed');
    },
  });
}
