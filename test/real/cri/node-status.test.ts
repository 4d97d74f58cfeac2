import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { RuntimeCondition } from '../../../src/ports/cri/messages.js';
import {
  newContainerStatusRequest,
  newPodSandboxStatusRequest,
  newRuntimeConfigRequest,
  newStatusRequest,
  newVersionRequest,
} from '../../../src/ports/cri/messages.js';
import { PodClient } from '../pod-client.js';
import type { RealNode } from '../real-node.js';
import { startRealNode } from '../real-node.js';

describe('cri: a real node tells of itself', () => {
  let node: RealNode;
  let pods: PodClient;
  /** Programs of its own, which a test can take away. */
  let programs: string;
  before(async () => {
    programs = fs.mkdtempSync(path.join(os.tmpdir(), 'nodelet-programs-'));
    const copyOf = (program: string): string => {
      const copy = path.join(programs, path.basename(program));
      fs.copyFileSync(program, copy);
      return copy;
    };
    node = await startRealNode({
      config: {
        runtimes: { crun: { path: copyOf('/usr/bin/crun') } },
        conmonPath: copyOf('/usr/bin/conmon'),
      },
    });
    pods = await PodClient.on(node);
  });
  after(async () => {
    await pods.removeAll();
    await node.dispose();
    fs.rmSync(programs, { recursive: true });
  });
  const status = (verbose = false) => node.cri.runtime.Status(newStatusRequest({ verbose }), node.ctx);
  const conditions = async (): Promise<Record<string, RuntimeCondition>> =>
    Object.fromEntries((await status()).status?.conditions.map((each) => [each.type, each]) ?? []);
  const parsed = (info: Record<string, string>, key = 'info') =>
    JSON.parse(info[key] ?? '{}') as Record<string, Record<string, unknown>>;

  it('is not ready while a program is missing that it needs, and says which', async () => {
    expect(await conditions()).to.nested.include({
      'RuntimeReady.status': true,
      'NetworkReady.status': true,
    });
    for (const program of ['crun', 'conmon']) {
      const file = path.join(programs, program);
      fs.renameSync(file, `${file}.away`);
      const { RuntimeReady } = await conditions();
      expect(RuntimeReady).to.include({ status: false, reason: 'ProgramMissing' });
      expect(RuntimeReady?.message).to.include(file);
      fs.renameSync(`${file}.away`, file);
      expect((await conditions())['RuntimeReady']).to.include({ status: true, reason: '', message: '' });
    }
  });

  it('tells its versions, its cgroup driver, and with verbose how it is set up', async () => {
    const version = await node.cri.runtime.Version(newVersionRequest({ version: '0.1.0' }), node.ctx);
    expect(version).to.include({ version: '0.1.0', runtime_name: 'nodelet', runtime_api_version: 'v1' });
    const { linux } = await node.cri.runtime.RuntimeConfig(newRuntimeConfigRequest(), node.ctx);
    expect(linux?.cgroup_driver).to.equal('CGROUPFS');
    expect((await status()).info).to.deep.equal({});
    const { info } = await status(true);
    expect(parsed(info, 'config')).to.include({ rootDir: node.config.rootDir });
    expect(parsed(info, 'versions')).to.include({ nodelet: version.runtime_version, node: process.version });
    expect(parsed(info, 'cgroups')['version']).to.be.oneOf(['v1', 'v2', 'hybrid']);
    expect(parsed(info, 'network')).to.include({ ready: true, range: node.config.network.subnet });
  });

  it('tells of sandbox and container with verbose what an inspection looks for', async () => {
    const sandbox = await pods.runPod();
    const main = await pods.run(sandbox, { command: ['sleep', '1000'] });
    const ofPod = await node.cri.runtime.PodSandboxStatus(
      newPodSandboxStatusRequest({ pod_sandbox_id: sandbox, verbose: true }),
      node.ctx,
    );
    const ofMain = await node.cri.runtime.ContainerStatus(
      newContainerStatusRequest({ container_id: main, verbose: true }),
      node.ctx,
    );
    const [pod, container] = [parsed(ofPod.info), parsed(ofMain.info)];
    expect(fs.readFileSync(`/proc/${Number(container['pid'])}/cmdline`, 'utf8')).to.equal(
      'sleep\x001000\x00',
    );
    expect(fs.existsSync(`/proc/${Number(pod['pid'])}`)).to.equal(true);
    expect(container).to.include({ sandboxID: sandbox, snapshotKey: main });
    expect(container['runtimeSpec']?.['process']).to.deep.include({ args: ['sleep', '1000'] });
    expect(container['config']?.['command']).to.deep.equal(['sleep', '1000']);
    expect(pod['runtimeSpec']?.['hostname']).to.equal(pods.podConfigOf(sandbox).hostname);
    const brief = await node.cri.runtime.ContainerStatus(
      newContainerStatusRequest({ container_id: main }),
      node.ctx,
    );
    expect(brief.info).to.deep.equal({});
  });
});
