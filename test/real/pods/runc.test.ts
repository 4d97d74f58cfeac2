import fs from 'node:fs';
import { expect } from 'chai';
import {
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newPodSandboxStatusRequest,
  newReopenContainerLogRequest,
  newStopContainerRequest,
} from '../../../src/ports/cri/messages.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

describe('pods: a pod on the handler runc (real runc)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
    sandbox = await pods.runPod({}, 'runc');
  });
  after(() => node.dispose());

  it('is run by runc, container and infra container alike', async () => {
    const id = await pods.run(sandbox);
    const states = fs.readdirSync(`${node.config.runDir}/oci/runc`);
    expect(states).to.have.members([sandbox, id]);
    const request = newPodSandboxStatusRequest({ pod_sandbox_id: sandbox });
    const { status } = await node.cri.runtime.PodSandboxStatus(request, node.ctx);
    expect(status?.runtime_handler).to.equal('runc');
    expect(await pods.shell(id, 'hostname')).to.equal(pods.podConfigOf(sandbox).hostname);
  });

  it('tells of exit codes, OOM kills and commands that are not there', async () => {
    const failed = await pods.run(sandbox, { command: ['sh', '-c', 'exit 3'] });
    expect(await pods.exited(failed)).to.include({ exit_code: 3, reason: 'Error' });
    const resources = newLinuxContainerResources({ memory_limit_in_bytes: String(16 << 20) });
    const linux = newLinuxContainerConfig({ resources });
    const hungry = await pods.run(sandbox, { command: ['tail', '/dev/zero'], linux });
    expect(await pods.exited(hungry)).to.include({ exit_code: 137, reason: 'OOMKilled' });
    const missing = await pods.create(sandbox, { command: ['/no/such/program'] });
    const error = await failure(pods.start(missing));
    expect(error).to.include({ kind: 'invalid' });
    expect(error.message).to.match(/^config\.command: .*no\/such\/program/);
    expect(await pods.status(missing)).to.include({ exit_code: 128, reason: 'StartError' });
  });

  it('reopens logs and stops containers with all their processes', async () => {
    const id = await pods.run(sandbox, {
      command: ['sh', '-c', 'sleep 1000 & trap "exit 5" TERM; while :; do echo line; usleep 10000; done'],
    });
    const { log_path: path } = await pods.status(id);
    await waitFor('the first line', () => fs.statSync(path).size > 0);
    fs.renameSync(path, `${path}.1`);
    const { runtime } = node.cri;
    await runtime.ReopenContainerLog(newReopenContainerLogRequest({ container_id: id }), node.ctx);
    await waitFor('a line in the new file', () => fs.statSync(path).size > 0);
    await runtime.StopContainer(newStopContainerRequest({ container_id: id, timeout: '20' }), node.ctx);
    expect((await pods.status(id)).exit_code).to.equal(5);
    const cgroup = `/sys/fs/cgroup/memory${node.config.cgroupParent}/pod${sandbox}/${id}`;
    await waitFor('its cgroup has gone', () => !fs.existsSync(cgroup));
  });
});
