import fs from 'node:fs';
import os from 'node:os';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { newListPodSandboxRequest } from '../../../src/ports/cri/messages.js';
import type { RealNode } from '../real-node.js';
import { startRealNode, waitFor } from '../real-node.js';
import { AgentClient, shellPod } from './agent-client.js';

const forever = 'exec sleep 1000000';

/** A port that was free a moment ago; `hold` keeps it taken until it is closed. */
async function listen(): Promise<{ port: number; close: () => Promise<void> }> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

describe('agent: what a pod is made of (real)', () => {
  let node: RealNode;
  let agent: AgentClient;
  let image: string;
  before(async () => {
    node = await startRealNode();
    agent = new AgentClient(node);
    image = await node.image();
  });
  after(() => node?.dispose());

  it('has init containers in order, volumes, localhost, env, limits and a host port', async () => {
    const { port, close } = await listen();
    await close();
    const shared = '    volumeMounts: [{name: shared, mountPath: /shared}, {name: host, mountPath: /host}]\n';
    await agent.apply(`apiVersion: v1
kind: Pod
metadata: {name: whole}
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - {name: shared, emptyDir: {}}
  - {name: host, hostPath: {path: "${node.dir}/host", type: DirectoryOrCreate}}
  initContainers:
  - name: first
    image: "${image}"
    command: [sh, -c, "sleep 0.3; echo first >> /shared/seed"]
${shared}  - name: second
    image: "${image}"
    command: [sh, -c, "echo second >> /shared/seed"]
${shared}  containers:
  - name: web
    image: "${image}"
    command: [httpd, -f, -p, "8080", -h, /shared]
    env: [{name: GREETING, value: "a b"}, {name: LOUD, value: "$(GREETING)!"}]
    ports: [{containerPort: 8080, hostPort: ${port}}]
    resources: {limits: {memory: 48Mi, cpu: 250m}}
${shared}  - name: side
    image: "${image}"
    env: [{name: PAGE, value: seed}]
    command: [sh, -c, "until wget -q -O /host/seen http://127.0.0.1:8080/$(PAGE); do sleep 0.1; done; ${forever}"]
${shared}`);
    const pod = await agent.ready('whole');
    expect(pod.status.initContainerStatuses.map(({ state }) => state.terminated?.exitCode)).to.deep.equal([
      0, 0,
    ]);
    const page = await fetch(`http://127.0.0.1:${port}/seed`);
    expect(await page.text()).to.equal('first\nsecond\n');
    await waitFor('localhost', () => fs.existsSync(`${node.dir}/host/seen`));
    await waitFor('the page', () => fs.readFileSync(`${node.dir}/host/seen`, 'utf8') === 'first\nsecond\n');
    expect(await agent.exec('whole', 'web', 'sh', '-c', 'echo "$GREETING $LOUD"')).to.equal('a b a b!\n');
    const limit =
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
    expect(Number(await agent.exec('whole', 'web', 'sh', '-c', limit))).to.equal(48 * 1024 * 1024);
    const share = Math.floor((1000 * 48 * 1024 * 1024) / os.totalmem());
    const score = await agent.exec('whole', 'web', 'cat', '/proc/1/oom_score_adj');
    expect(Number(score)).to.equal(Math.min(999, 1000 - share));
    const quota = 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max';
    expect(await agent.exec('whole', 'web', 'sh', '-c', quota)).to.match(/^25000\b/);
  });

  it('shares the network of the host where it asks for it', async () => {
    await agent.apply(shellPod('host', { image, script: forever, spec: '  hostNetwork: true\n' }));
    await agent.ready('host');
    const own = fs.readlinkSync('/proc/self/ns/net');
    expect(await agent.exec('host', 'main', 'readlink', '/proc/self/ns/net')).to.equal(`${own}\n`);
  });

  it('names a host port that is taken, makes nothing half, and runs once it is free', async () => {
    const { port, close } = await listen();
    const container = `    ports: [{containerPort: 80, hostPort: ${port}}]\n`;
    await agent.apply(shellPod('taken', { image, script: forever, container }));
    await waitFor('the event', async () =>
      (await agent.events('taken')).some(
        ({ reason, message }) => reason === 'FailedCreatePodSandBox' && message.includes(String(port)),
      ),
    );
    const { items } = await node.cri.runtime.ListPodSandbox(newListPodSandboxRequest(), node.ctx);
    expect(items.map(({ metadata }) => metadata?.name)).not.to.include('taken');
    expect((await agent.pod('taken'))?.status.phase).to.equal('Pending');
    await close();
    await agent.ready('taken');
  });

  it('is told to end, and given its grace', async () => {
    const script = "trap 'echo bye > /host/bye; exit 0' TERM; while :; do sleep 0.05; done";
    const spec = `  volumes: [{name: host, hostPath: {path: "${node.dir}/host", type: DirectoryOrCreate}}]\n`;
    const container = '    volumeMounts: [{name: host, mountPath: /host}]\n';
    await agent.apply(shellPod('polite', { image, script, spec, container }));
    await agent.apply(shellPod('stubborn', { image, script: "trap '' TERM; while :; do sleep 0.05; done" }));
    await Promise.all([agent.ready('polite'), agent.ready('stubborn')]);
    await agent.delete('polite', 20);
    expect(fs.readFileSync(`${node.dir}/host/bye`, 'utf8')).to.equal('bye\n');
    const before = performance.now();
    await agent.delete('stubborn', 1);
    expect(performance.now() - before).to.be.within(900, 15_000);
  });

  it('follows its manifest in the watched folder: added, changed, broken, removed', async () => {
    const file = `${node.config.manifestDir}/folder.yaml`;
    const text = shellPod('folder', { image, script: 'echo one; exec sleep 1000000' });
    fs.writeFileSync(file, text);
    await agent.until('folder', 'runs', ({ status }) => status.phase === 'Running');
    fs.writeFileSync(file, text.replace('echo one', 'echo two'));
    await waitFor('the change', async () => (await agent.log('folder').catch(() => '')) === 'two\n');
    fs.writeFileSync(file, 'kind: [');
    await agent.apply(shellPod('other', { image, script: forever }));
    await agent.ready('other');
    expect((await agent.pod('folder'))?.status.phase).to.equal('Running');
    fs.rmSync(file);
    await waitFor('the removal', async () => (await agent.pod('folder')) === undefined);
  });
});
