import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import dgram from 'node:dgram';
import fs from 'node:fs';
import os from 'node:os';
import { expect } from 'chai';
import {
  newDNSConfig,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newNamespaceOption,
  newPortMapping,
} from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';
import { freePort } from '../test-registry.js';

const onHost = {
  linux: newLinuxPodSandboxConfig({
    security_context: newLinuxSandboxSecurityContext({
      namespace_options: newNamespaceOption({ network: 'NODE' }),
    }),
  }),
  hostname: '',
};
const without = { annotations: { 'nodelet.dev/network': 'none' } };
const serve = { command: ['sh', '-c', 'echo page > /tmp/index.html; exec httpd -f -p 80 -h /tmp'] };

describe('pods: the network of a sandbox (real packets)', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  afterEach(() => pods.removeAll());
  after(() => node.dispose());

  const fromHost = async (url: string) => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(3000) }).catch(() => undefined);
    return (await answer?.text())?.trim();
  };
  const fromPod = (id: string, url: string) => pods.shell(id, `wget -q -O - ${url}`);
  const ipOf = async (sandbox: string) => (await pods.podStatus(sandbox)).network?.ip ?? '';
  const gateway = () => node.config.network.subnet.replace(/0\/24$/, '1');

  it('gives each pod an address; pods, and containers of one pod, reach each other', async () => {
    const [server, client] = [await pods.runPod(), await pods.runPod()];
    const web = await pods.run(server, serve);
    const sidecar = await pods.run(server);
    const other = await pods.run(client);
    const ip = await ipOf(server);
    expect(ip).to.match(new RegExp(`^${node.config.network.subnet.replace('0/24', '')}\\d+$`));
    expect(await ipOf(client)).not.to.equal(ip);
    await waitFor(
      'the server',
      async () => (await pods.exec(web, 'wget', '-q', '-O', '-', '127.0.0.1')).exitCode === 0,
    );
    expect(await fromPod(sidecar, 'http://127.0.0.1/')).to.equal('page');
    expect(await fromPod(other, `http://${ip}/`)).to.equal('page');
    expect(await fromHost(`http://${ip}/`)).to.equal('page');
    expect(await pods.shell(other, 'ip -4 -o addr show eth0')).to.contain(await ipOf(client));
  });

  it('leads host ports to the pod: from loopback, an address of the host, and the pod itself; over UDP too', async () => {
    const [tcp, udp] = [await freePort(), await freePort()];
    const port = (set: object) => newPortMapping({ container_port: 80, ...set });
    const sandbox = await pods.runPod({
      port_mappings: [
        port({ host_port: tcp }),
        port({ host_port: udp, protocol: 'UDP' }),
        port({ container_port: 81 }),
      ],
    });
    const web = await pods.run(sandbox, serve);
    await waitFor('the server', async () => (await fromHost(`http://127.0.0.1:${tcp}/`)) === 'page');
    expect(await fromHost(`http://${gateway()}:${tcp}/`)).to.equal('page');
    expect(await fromPod(web, `http://${gateway()}:${tcp}/`)).to.equal('page');
    const echo = await udpEchoIn(`${node.config.runDir}/netns/${sandbox}`);
    expect(await udpEcho(udp, 'hello').finally(() => echo.kill())).to.equal('hello');
    const taken = await failure(pods.runPod({ port_mappings: [port({ host_port: tcp })] }));
    expect(taken).to.include({ kind: 'exists' });
    expect(taken.message).to.match(new RegExp(`^config\\.port_mappings.*${tcp}`));
    await pods.removePod(sandbox);
    expect(await fromHost(`http://127.0.0.1:${tcp}/`)).to.equal(undefined);
    await pods.runPod({ port_mappings: [port({ host_port: tcp })] });
  });

  it("shares the host's network where asked: interfaces, hostname, hosts, resolv.conf", async () => {
    const sandbox = await pods.runPod(onHost);
    const id = await pods.run(sandbox);
    expect(await pods.shell(id, 'cat /proc/net/dev')).to.contain(node.config.network.bridge);
    expect(await pods.shell(id, 'hostname; cat /etc/hostname; echo $HOSTNAME')).to.equal(
      Array(3).fill(os.hostname()).join('\n'),
    );
    expect(await pods.shell(id, 'cat /etc/hosts /etc/resolv.conf')).to.equal(
      ['/etc/hosts', '/etc/resolv.conf']
        .map((file) => fs.readFileSync(file, 'utf8'))
        .join('')
        .replace(/\n$/, ''),
    );
    expect((await pods.podStatus(sandbox)).network?.ip).to.equal('');
  });

  it('has nothing but loopback by the annotation, and no host ports then', async () => {
    const sandbox = await pods.runPod(without);
    const id = await pods.run(sandbox, serve);
    expect(await pods.shell(id, 'ls /sys/class/net')).to.equal('lo');
    await waitFor(
      'the server on lo',
      async () => (await pods.exec(id, 'wget', '-q', '-O', '-', '127.0.0.1')).exitCode === 0,
    );
    expect((await pods.podStatus(sandbox)).network?.ip).to.equal('');
    const port_mappings = [newPortMapping({ container_port: 80, host_port: 8080 })];
    const refused = await failure(pods.runPod({ ...without, port_mappings }));
    expect(refused).to.include({ kind: 'invalid' });
    expect(refused.message).to.match(/^config\.port_mappings/);
    const unknown = await failure(pods.runPod({ annotations: { 'nodelet.dev/network': 'carrier-pigeon' } }));
    expect(unknown.message).to.match(/nodelet\.dev\/network.*carrier-pigeon/);
  });

  it('gives the pod its hostname, hosts and resolv.conf, which all its containers share', async () => {
    const sandbox = await pods.runPod({
      hostname: 'web-0',
      dns_config: newDNSConfig({ servers: ['10.0.0.10'], searches: ['a.b', 'c'], options: ['ndots:5'] }),
    });
    const [one, two] = [await pods.run(sandbox), await pods.run(sandbox)];
    expect(await pods.shell(one, 'hostname; cat /etc/hostname; echo $HOSTNAME')).to.equal(
      'web-0\nweb-0\nweb-0',
    );
    expect(await pods.shell(one, 'cat /etc/resolv.conf')).to.equal(
      'search a.b c\nnameserver 10.0.0.10\noptions ndots:5',
    );
    expect(await pods.shell(one, 'cat /etc/hosts')).to.contain(`${await ipOf(sandbox)}\tweb-0`);
    await pods.shell(one, 'echo "1.2.3.4 friend" >> /etc/hosts');
    expect(await pods.shell(two, 'cat /etc/hosts')).to.contain('1.2.3.4 friend');
  });
});

/** A process in a network namespace that sends back what comes over UDP to port 80, up when this resolves. */
async function udpEchoIn(netns: string): Promise<ChildProcess> {
  const program = `const socket = require('node:dgram').createSocket('udp4');
    socket.on('message', (text, from) => socket.send(text, from.port, from.address));
    socket.bind(80, () => console.log('up'));`;
  const child = spawn('nsenter', [`--net=${netns}`, process.execPath, '-e', program]);
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error('the UDP server ended')));
  });
  return child;
}

/** What a UDP datagram to a port of 127.0.0.1 is answered with. */
async function udpEcho(port: number, text: string): Promise<string> {
  const socket = dgram.createSocket('udp4');
  const answer = new Promise<string>((resolve, reject) => {
    socket.once('message', (message) => resolve(message.toString().trim()));
    socket.once('error', reject);
    setTimeout(() => reject(new Error('no answer over UDP')), 5000).unref();
  });
  socket.send(text, port, '127.0.0.1');
  return answer.finally(() => socket.close());
}
