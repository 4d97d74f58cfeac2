import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { backgroundContext, silentLog } from '../../../src/base/call-context.js';
import type { SandboxId } from '../../../src/base/ids.js';
import { createRealHost } from '../../../src/host/real-host.js';
import { createPodNetwork } from '../../../src/network/bridge-network.js';
import type { PodNetwork, PortMapping } from '../../../src/network/pod-network.js';
import type { Host } from '../../../src/ports/host.js';

const config = { bridge: 'nltest0', subnet: '10.201.0.0/24', mtu: 0, table: 'nltest' };
const ctx = backgroundContext();
const port = (hostPort: number, hostIp = ''): PortMapping => ({
  protocol: 'TCP',
  containerPort: 80,
  hostPort,
  hostIp,
});

/** What a client inside a namespace (or on the host) reads from an address; undefined where it can't connect. */
async function fetchFrom(host: Host, netns: string | undefined, url: string): Promise<string | undefined> {
  const inside = netns === undefined ? [] : ['nsenter', `--net=${netns}`];
  const argv = [...inside, 'busybox', 'wget', '-q', '-O', '-', url];
  const result = await host.processes.run({ argv, timeoutMs: 3_000 }).catch(() => undefined);
  return result?.exitCode === 0 ? result.stdout.toString() : undefined;
}

describe('network: pods on the bridge (real namespaces and packets)', () => {
  let dir = '';
  let host: Host;
  let network: PodNetwork;
  let forwarding: string | undefined;
  const servers: AbortController[] = [];
  const running: Promise<unknown>[] = [];
  const names = ['pod-a', 'pod-b'];
  const netnsOf = (name: string) => `${dir}/netns/${name}`;
  const id = (name: string) => name as SandboxId;
  const attach = (name: string, ports: PortMapping[] = []) =>
    network.attach({ sandboxId: id(name), netnsPath: netnsOf(name), ports }, ctx);

  /** busybox httpd on port 80 inside a pod's namespace, up when this resolves. */
  async function serve(name: string): Promise<void> {
    const stop = new AbortController();
    servers.push(stop);
    fs.writeFileSync(`${dir}/index.html`, 'pod');
    const argv = ['nsenter', `--net=${netnsOf(name)}`, 'busybox', 'httpd', '-f', '-p', '80', '-h', dir];
    running.push(host.processes.run({ argv, signal: stop.signal }).catch(() => undefined));
    for (let tries = 0; tries < 500; tries++) {
      if ((await fetchFrom(host, netnsOf(name), 'http://127.0.0.1:80/')) === 'pod') return;
      await host.clock.sleep(10);
    }
    throw new Error('the server in the pod did not come up');
  }

  /** Keys of all published ports in the kernel's table. */
  async function elements(): Promise<string[]> {
    type Key = number | { concat: (string | number)[] };
    const found = (await host.firewall.dump('ip', config.table)) as { map?: { elem?: [Key, unknown][] } }[];
    const keys = found.flatMap(({ map }) => map?.elem ?? []).map(([key]) => key);
    return keys.map((key) => (typeof key === 'number' ? `${key}` : key.concat.join(' ')));
  }

  beforeEach(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-net-'));
    host = createRealHost({ storePath: `${dir}/records`, bootPath: `${dir}/boot-records` });
    forwarding = await host.sysctls.read('net.ipv4.ip_forward');
    network = createPodNetwork({ ...host, config, log: silentLog });
    await network.start();
    for (const name of names) await host.namespaces.createNet(netnsOf(name));
  });
  afterEach(async () => {
    servers.splice(0).forEach((stop) => stop.abort(new Error('test over')));
    await Promise.all(running.splice(0));
    await network.tearDown();
    for (const name of names) await host.namespaces.removeNet(netnsOf(name));
    await host.sysctls.write('net.ipv4.ip_forward', forwarding ?? '0');
    const left = (await host.links.list()).filter(
      (link) => link.name === config.bridge || link.master === config.bridge,
    );
    const rules = await host.firewall.dump('ip', config.table);
    await host.store.close();
    fs.rmSync(dir, { recursive: true, force: true });
    expect({ left, rules }).to.deep.equal({ left: [], rules: [] });
  });

  it('leads a host port to the pod: from 127.0.0.1, from another pod, and from the pod itself', async () => {
    await attach('pod-a', [port(18_099)]);
    await attach('pod-b');
    await serve('pod-a');
    expect(await fetchFrom(host, undefined, 'http://127.0.0.1:18099/'), 'loopback').to.equal('pod');
    expect(await fetchFrom(host, undefined, 'http://10.201.0.1:18099/'), 'own address').to.equal('pod');
    expect(await fetchFrom(host, netnsOf('pod-b'), 'http://10.201.0.1:18099/'), 'other pod').to.equal('pod');
    expect(await fetchFrom(host, netnsOf('pod-a'), 'http://10.201.0.1:18099/'), 'hairpin').to.equal('pod');
    await network.detach(id('pod-a'));
    expect(await fetchFrom(host, undefined, 'http://127.0.0.1:18099/'), 'after detach').to.equal(undefined);
  });

  it("keeps pods away from what listens on the host's loopback", async () => {
    const server = http.createServer((_request, response) => response.end('secret'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port: secretPort } = server.address() as AddressInfo;
    await attach('pod-a');
    // What a hostile pod can do to its own namespace: take 127.0.0.1 off lo and route it to the bridge.
    for (const command of [
      'ip addr del 127.0.0.1/8 dev lo',
      'ip rule add pref 100 lookup 99',
      'ip rule add pref 200 lookup local',
      'ip rule del pref 0',
      'ip route add 127.0.0.1/32 via 10.201.0.1 dev eth0 table 99',
      'sysctl -qw net.ipv4.conf.all.route_localnet=1',
    ]) {
      const argv = ['nsenter', `--net=${netnsOf('pod-a')}`, ...command.split(' ')];
      const { exitCode, stderr } = await host.processes.run({ argv });
      expect(exitCode, `${command}: ${stderr.toString()}`).to.equal(0);
    }
    const got = await fetchFrom(host, netnsOf('pod-a'), `http://127.0.0.1:${secretPort}/`);
    await new Promise((resolve) => server.close(resolve));
    expect(got).to.equal(undefined);
  });

  it('gives one attachment to two callers at once', async () => {
    const [first, second] = await Promise.all([attach('pod-a'), attach('pod-a')]);
    expect(second.ips).to.deep.equal(first.ips);
    expect((await host.links.list()).map(({ name }) => name)).to.include(first.hostInterface);
  });

  it('leads from a range to another that was assigned later, and masquerades both', async () => {
    const old = await attach('pod-a');
    await network.assignRange('10.202.7.0/24');
    const young = await attach('pod-b', [port(18_099)]);
    expect([old.ips[0], young.ips[0]].map((ip) => ip?.split('.').slice(0, 3).join('.'))).to.deep.equal([
      '10.201.0',
      '10.202.7',
    ]);
    await serve('pod-b');
    expect(await fetchFrom(host, netnsOf('pod-a'), `http://${young.ips[0]}:80/`), 'from pod to pod').to.equal(
      'pod',
    );
    expect(await fetchFrom(host, netnsOf('pod-b'), `http://10.202.7.1:18099/`), 'hairpin').to.equal('pod');
    expect(await fetchFrom(host, undefined, 'http://127.0.0.1:18099/'), 'from the host').to.equal('pod');
    const rules = JSON.stringify(await host.firewall.dump('ip', config.table));
    for (const range of ['10.201.0.0', '10.202.7.0']) expect(rules).to.include(range);
    await network.detach(id('pod-a'));
    const after = JSON.stringify(await host.firewall.dump('ip', config.table));
    expect(after).to.include('10.202.7.0').and.not.to.include('10.201.0.0');
  });

  it('refuses a taken port, naming it, and makes nothing', async () => {
    await attach('pod-a', [port(18_099)]);
    const refusal = await network
      .checkPorts([port(18_099, '127.0.0.1')], ctx)
      .catch((thrown: unknown) => thrown);
    expect(refusal)
      .to.include({ kind: 'exists' })
      .and.to.have.property('message')
      .that.matches(/18099.*pod-a/);
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const taken = (server.address() as AddressInfo).port;
    const other = await network.checkPorts([port(taken)], ctx).catch((thrown: unknown) => thrown);
    await new Promise((resolve) => server.close(resolve));
    expect(other).to.include({ kind: 'exists' });
  });

  it('edits the table for a pod with host ports, and leaves nft alone for one without', async () => {
    const scripts: string[] = [];
    const apply = (script: string) => {
      scripts.push(script);
      return host.firewall.apply(script);
    };
    network = createPodNetwork({ ...host, firewall: { ...host.firewall, apply }, config, log: silentLog });
    await attach('pod-b');
    await network.detach(id('pod-b'));
    expect(scripts).to.deep.equal([]);
    await attach('pod-a', [port(18_099), port(18_098, '127.0.0.1'), { ...port(18_097), protocol: 'SCTP' }]);
    expect(await elements()).to.have.members(['18099', '127.0.0.1 18098', '18097']);
    await network.detach(id('pod-a'));
    expect(await elements()).to.deep.equal([]);
    expect(scripts).to.have.length(2);
    expect(scripts.join('')).not.to.include('chain');
  });

  it('writes the table anew from the records when somebody else has changed it', async () => {
    await attach('pod-a', [port(18_099)]);
    await host.firewall.apply(`delete table ip ${config.table}`);
    await attach('pod-b', [port(18_098)]);
    expect(await elements(), 'after the table was taken away').to.have.members(['18098', '18099']);
    await host.firewall.apply(`flush map ip ${config.table} tcp_any`);
    await network.detach(id('pod-a'));
    expect(await elements(), 'after a map was emptied').to.deep.equal(['18098']);
    await network.start();
    expect(await elements(), 'after a restart').to.deep.equal(['18098']);
  });

  it('repeats a detach whose rules could not be taken back, whole', async () => {
    let failing = false;
    const firewall = {
      ...host.firewall,
      apply: (script: string) =>
        failing ? Promise.reject(new Error('nft is busy')) : host.firewall.apply(script),
    };
    network = createPodNetwork({ ...host, firewall, config, log: silentLog });
    await network.start();
    await attach('pod-a', [port(18_099)]);
    failing = true;
    await network.detach(id('pod-a')).catch(() => undefined);
    failing = false;
    await network.detach(id('pod-a'));
    expect(JSON.stringify(await host.firewall.dump('ip', config.table))).not.to.include('18099');
  });

  it('makes anew what a crash left between the intent and the link', async () => {
    const broken = { ...host.links, createVeth: () => new Promise<void>(() => undefined) };
    const crashed = createPodNetwork({ ...host, links: broken, config, log: silentLog });
    void crashed.attach({ sandboxId: id('pod-a'), netnsPath: netnsOf('pod-a'), ports: [] }, ctx);
    for (
      let tries = 0;
      host.store.table('network-attachments').get('pod-a') === undefined && tries < 500;
      tries++
    ) {
      await host.clock.sleep(10);
    }
    const made = await attach('pod-a');
    expect((await host.links.list()).map(({ name }) => name)).to.include(made.hostInterface);
  });

  it('lets a freed address rest, also over a restart', async () => {
    const first = await attach('pod-a');
    await network.detach(id('pod-a'));
    network = createPodNetwork({ ...host, config, log: silentLog });
    await network.start();
    expect((await attach('pod-b')).ips).not.to.deep.equal(first.ips);
  });

  it('sweeps attachments and links of no live sandbox', async () => {
    await attach('pod-a');
    const kept = await attach('pod-b');
    await network.sweep(new Set(['pod-b']));
    const ports = (await host.links.list()).filter((link) => link.master === config.bridge);
    expect(ports.map(({ name }) => name)).to.deep.equal([kept.hostInterface]);
  });
});
