import { randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { createLinks } from '../../../src/host/links.js';
import { createMounts } from '../../../src/host/mounts.js';
import { createNamespaces } from '../../../src/host/namespaces.js';
import { createProcesses } from '../../../src/host/processes.js';
import type { VethSpec } from '../../../src/ports/links.js';

const processes = createProcesses();
const links = createLinks();
const namespaces = createNamespaces(createMounts());

interface IpAddress {
  ifname: string;
  address: string;
  mtu: number;
  flags: string[];
  addr_info: { local: string; prefixlen: number; scope: string; tentative?: boolean }[];
}

describe('host: links over rtnetlink (real kernel)', () => {
  const suffix = randomBytes(3).toString('hex');
  const bridge = `nlt${suffix}`;
  const mac = '02:6e:6c:00:00:01';
  const subnet = `10.${randomInt(200, 254)}.${randomInt(0, 255)}`;
  let dir = '';
  let netnsPath = '';
  const spec = (changes: Partial<VethSpec> = {}): VethSpec => ({
    hostName: `nlv${suffix}`,
    bridge,
    netnsPath,
    peerName: 'eth0',
    mac: '02:6e:6c:00:00:02',
    mtu: 1400,
    addresses: [`${subnet}.2/24`, 'fd00:6e6c::2/64'],
    gateways: [`${subnet}.1`, 'fd00:6e6c::1'],
    ...changes,
  });

  /** What iproute2 sees, on the host or in the pod's namespace. */
  const ip = async <T>(args: string, inPod = false): Promise<T> => {
    const inside = inPod ? ['nsenter', `--net=${netnsPath}`] : [];
    const { stdout } = await processes.run({
      argv: [...inside, 'ip', '-json', '-details', ...args.split(' ')],
    });
    return JSON.parse(stdout.toString() || '[]') as T;
  };
  /** A veth pair on the host that has our name and isn't ours. */
  const strangersLink = async () => {
    const argv = `ip link add nlv${suffix} type veth peer name nlp${suffix}`.split(' ');
    expect((await processes.run({ argv })).exitCode).to.equal(0);
  };
  const ours = async () =>
    (await links.list()).filter(({ name }) => name.includes(suffix)).map(({ name }) => name);

  beforeEach(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-links-'));
    netnsPath = `${dir}/pod`;
    await namespaces.createNet(netnsPath);
    await links.ensureBridge({ name: bridge, mac, addresses: [`${subnet}.1/24`], mtu: 1400 });
  });
  afterEach(async () => {
    await links.remove(`nlv${suffix}`);
    await links.remove(bridge);
    await namespaces.removeNet(netnsPath);
    fs.rmSync(dir, { recursive: true });
    expect(await ours()).to.deep.equal([]);
  });

  it('brings an existing bridge to the spec: address, mtu, and no address of an earlier spec', async () => {
    await links.ensureBridge({ name: bridge, mac, addresses: [`${subnet}.129/25`], mtu: 1300 });
    const [found] = await ip<IpAddress[]>(`addr show dev ${bridge}`);
    expect(found).to.include({ address: mac, mtu: 1300 });
    expect(found?.flags).to.include('UP');
    expect(
      found?.addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => local),
    ).to.deep.equal([`${subnet}.129`]);
  });

  it('refuses a bridge name that belongs to another kind of link', async () => {
    await strangersLink();
    const refusal = await links
      .ensureBridge({ name: `nlv${suffix}`, mac, addresses: [], mtu: 1500 })
      .catch((thrown: unknown) => thrown);
    expect(refusal).to.include({ kind: 'exists', field: 'network.bridge' });
  });

  it('makes a pair that is ready at once: addresses, routes, hairpin, no wait for IPv6', async () => {
    await links.createVeth(spec());
    const [inPod] = await ip<IpAddress[]>('addr show dev eth0', true);
    expect(inPod).to.include({ address: '02:6e:6c:00:00:02', mtu: 1400 });
    const tentative = inPod?.addr_info.filter((each) => each.tentative === true);
    expect(tentative, 'addresses that wait for duplicate-address detection').to.deep.equal([]);
    expect(
      inPod?.addr_info
        .filter(({ scope }) => scope === 'global')
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    ).to.have.members([`${subnet}.2/24`, 'fd00:6e6c::2/64']);
    for (const [family, gateway] of [
      ['-4', `${subnet}.1`],
      ['-6', 'fd00:6e6c::1'],
    ]) {
      const routes = await ip<{ gateway: string }[]>(`${family} route show default`, true);
      expect(routes.map((route) => route.gateway)).to.deep.equal([gateway]);
    }
    const [port] = await ip<{ linkinfo: { info_slave_data: { hairpin: boolean } } }[]>(
      `link show nlv${suffix}`,
    );
    expect(port?.linkinfo.info_slave_data.hairpin).to.equal(true);
    expect(await links.list()).to.deep.include({
      name: `nlv${suffix}`,
      index: Number(fs.readFileSync(`/sys/class/net/nlv${suffix}/ifindex`, 'utf8')),
      kind: 'veth',
      master: bridge,
    });
    const ping = await processes.run({
      argv: ['nsenter', `--net=${netnsPath}`, 'busybox', 'ping', '-c1', '-W5', `${subnet}.1`],
    });
    expect(ping.exitCode, ping.stdout.toString()).to.equal(0);
  });

  it('leaves nothing of a pair that could not be finished, and says why in the words of the kernel', async () => {
    const refusal = await links
      .createVeth(spec({ gateways: ['203.0.113.1'] }))
      .catch((thrown: unknown) => thrown);
    expect(refusal).to.include({ kind: 'tool-failed' });
    expect(refusal)
      .to.have.property('message')
      .that.matches(/default route.*203\.0\.113\.1.*ENETUNREACH.*gateway/);
    expect(await ours()).to.deep.equal([bridge]);
    expect((await ip<IpAddress[]>('addr', true)).map(({ ifname }) => ifname)).to.deep.equal(['lo']);
  });

  it("does not take away somebody else's link of the same name", async () => {
    await strangersLink();
    const refusal = await links.createVeth(spec()).catch((thrown: unknown) => thrown);
    expect(refusal).to.have.property('message').that.includes('EEXIST');
    expect(await ours()).to.have.members([bridge, `nlv${suffix}`, `nlp${suffix}`]);
  });

  it('removes a pair, and finds a link that has gone removed', async () => {
    await links.createVeth(spec());
    await links.remove(`nlv${suffix}`);
    await links.remove(`nlv${suffix}`);
    expect(await ours()).to.deep.equal([bridge]);
  });

  it('makes many pairs side by side, each in its own namespace, and stays in that of the host', async () => {
    const home = fs.readlinkSync('/proc/self/ns/net');
    const pods = Array.from({ length: 8 }, (_, index) => `${dir}/pod-${index}`);
    try {
      await Promise.all(
        pods.map(async (pod, index) => {
          await namespaces.createNet(pod);
          await links.createVeth(
            spec({
              hostName: `nlw${suffix}${index}`,
              netnsPath: pod,
              addresses: [`${subnet}.${10 + index}/24`],
              gateways: [`${subnet}.1`],
            }),
          );
        }),
      );
      const masters = (await links.list()).filter(({ master }) => master === bridge);
      expect(masters).to.have.length(pods.length);
      expect(fs.readlinkSync('/proc/thread-self/ns/net')).to.equal(home);
    } finally {
      for (const [index, pod] of pods.entries()) {
        await links.remove(`nlw${suffix}${index}`);
        await namespaces.removeNet(pod);
      }
    }
  });
});
