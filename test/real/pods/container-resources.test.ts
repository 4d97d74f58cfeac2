import fs from 'node:fs';
import { expect } from 'chai';
import {
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxPodSandboxConfig,
  newPodSandboxStatusRequest,
  newUpdateContainerResourcesRequest,
  newUpdatePodSandboxResourcesRequest,
  newWindowsContainerResources,
} from '../../../src/ports/cri/messages.js';
import type {
  ContainerConfig,
  LinuxContainerResources,
  UpdateContainerResourcesRequest,
} from '../../../src/ports/cri/messages.js';
import { isV2 } from '../cgroup-version.js';
import { PodClient, failure } from '../pod-client.js';
import { startRealNode, waitFor } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const mib = (count: number) => String(count * 1024 * 1024);
const resources = newLinuxContainerResources;
const limited = (set: Partial<LinuxContainerResources>): Partial<ContainerConfig> => ({
  linux: newLinuxContainerConfig({ resources: resources(set) }),
});
const groupDir = (controller: string, group: string) =>
  isV2 ? `/sys/fs/cgroup${group}` : `/sys/fs/cgroup/${controller}${group}`;
/** A limit as the kernel has it, by its file on either version. */
const limitOf = (group: string, v1: string, v2: string) =>
  fs.readFileSync(`${groupDir(v1.split('.')[0] ?? '', group)}/${isV2 ? v2 : v1}`, 'utf8').trim();
const memoryOf = (group: string) => limitOf(group, 'memory.limit_in_bytes', 'memory.max');
const quotaOf = (group: string) => limitOf(group, 'cpu.cfs_quota_us', 'cpu.max').split(' ')[0];

describe('pods: resources (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  before(async () => {
    node = await startRealNode({ as: 'child' });
    pods = await PodClient.on(node);
    sandbox = await pods.runPod();
  });
  after(() => node.dispose());

  const podGroup = (pod: string) => `${node.config.cgroupParent}/pod${pod}`;
  const groupOf = (id: string, pod = sandbox) => `${podGroup(pod)}/${id}`;
  const update = (id: string, set: Partial<UpdateContainerResourcesRequest>) =>
    node.cri.runtime.UpdateContainerResources(
      newUpdateContainerResourcesRequest({ container_id: id, ...set }),
      node.ctx,
    );
  const limit = (id: string, set: Partial<LinuxContainerResources>) => update(id, { linux: resources(set) });
  const told = async (id: string) => (await pods.status(id)).resources?.linux;

  it('are in force from the start, and told by the status', async () => {
    const asked: Partial<LinuxContainerResources> = {
      cpu_shares: '512',
      cpu_period: '50000',
      cpu_quota: '25000',
      cpuset_cpus: '0',
      cpuset_mems: '0',
      memory_limit_in_bytes: mib(32),
      memory_swap_limit_in_bytes: mib(48),
      hugepage_limits: [{ page_size: '2MB', limit: mib(4) }],
      unified: { 'pids.max': '33' },
    };
    const id = await pods.run(sandbox, limited(asked));
    const group = groupOf(id);
    expect(memoryOf(group)).to.equal(mib(32));
    expect(quotaOf(group)).to.equal('25000');
    expect(limitOf(group, 'memory.memsw.limit_in_bytes', 'memory.swap.max')).to.equal(
      isV2 ? mib(16) : mib(48),
    );
    expect(limitOf(group, 'cpu.shares', 'cpu.weight')).to.equal(isV2 ? '20' : '512');
    expect(limitOf(group, 'cpuset.cpus', 'cpuset.cpus')).to.equal('0');
    expect(limitOf(group, 'cpuset.mems', 'cpuset.mems')).to.equal('0');
    expect(limitOf(group, 'pids.max', 'pids.max')).to.equal('33');
    expect(limitOf(group, 'hugetlb.2MB.limit_in_bytes', 'hugetlb.2MB.max')).to.equal(mib(4));
    expect(await told(id)).to.deep.equal(resources(asked));
  });

  it('that can be no limits here are refused by the field at creation, and make nothing', async () => {
    const before = await pods.containersOf(sandbox);
    const cases: [field: string, set: Partial<LinuxContainerResources>][] = [
      ['cpu_quota', { cpu_quota: '5' }],
      ['cpu_period', { cpu_period: '1' }],
      ['cpu_shares', { cpu_shares: '1' }],
      ['memory_limit_in_bytes', { memory_limit_in_bytes: '1000' }],
      ['memory_swap_limit_in_bytes', { memory_limit_in_bytes: mib(8), memory_swap_limit_in_bytes: mib(4) }],
      ['memory_swap_limit_in_bytes', { memory_swap_limit_in_bytes: mib(4) }],
      ['cpuset_cpus', { cpuset_cpus: '900' }],
      ['cpuset_mems', { cpuset_mems: '0-63' }],
      ['hugepage_limits[0].page_size', { hugepage_limits: [{ page_size: '3MB', limit: '1' }] }],
      ['unified["rdma.max"]', { unified: { 'rdma.max': 'max' } }],
      ['oom_score_adj', { oom_score_adj: '1001' }],
    ];
    for (const [field, set] of cases) {
      const error = await failure(pods.create(sandbox, limited(set)));
      expect(error.message, field).to.contain(`config.linux.resources.${field}: `);
      expect(error.kind, field).to.be.oneOf(['invalid', 'unsupported']);
    }
    expect(await pods.containersOf(sandbox)).to.deep.equal(before);
  });

  it('that only the kernel refuses are told by the field at the start', async () => {
    const narrow = await pods.runPod({
      linux: newLinuxPodSandboxConfig({ resources: resources({ cpu_quota: '20000', cpu_period: '100000' }) }),
    });
    expect(quotaOf(podGroup(narrow))).to.equal('20000');
    const little = await failure(pods.run(sandbox, limited({ memory_limit_in_bytes: '65536' })));
    expect(little).to.include({ kind: 'invalid' });
    expect(little.message).to.match(/^config\.linux\.resources\.memory_limit_in_bytes: /);
    if (isV2) return;
    const wide = await failure(pods.run(narrow, limited({ cpu_quota: '90000', cpu_period: '100000' })));
    expect(wide).to.include({ kind: 'invalid' });
    expect(wide.message).to.match(/^config\.linux\.resources\.cpu_quota: /);
  });

  it('change while the container runs, up and down, and what is left out stays', async () => {
    const id = await pods.run(
      sandbox,
      limited({ memory_limit_in_bytes: mib(32), memory_swap_limit_in_bytes: mib(32), cpu_quota: '50000' }),
    );
    for (const size of [mib(96), mib(24), mib(64)]) {
      await limit(id, { memory_limit_in_bytes: size, memory_swap_limit_in_bytes: size });
      expect(memoryOf(groupOf(id))).to.equal(size);
      expect(quotaOf(groupOf(id))).to.equal('50000');
    }
    await limit(id, {
      cpu_quota: '2000',
      cpu_period: '20000',
      cpu_shares: '2048',
      cpuset_cpus: '0',
      unified: { 'pids.max': '9' },
    });
    expect(quotaOf(groupOf(id))).to.equal('2000');
    expect(limitOf(groupOf(id), 'pids.max', 'pids.max')).to.equal('9');
    expect(limitOf(groupOf(id), 'cpuset.cpus', 'cpuset.cpus')).to.equal('0');
    await limit(id, { cpu_quota: '-1' });
    expect(quotaOf(groupOf(id))).to.equal(isV2 ? 'max' : '-1');
    const inForce = await told(id);
    expect(inForce).to.include({ memory_limit_in_bytes: mib(64), cpu_quota: '-1', cpuset_cpus: '0' });
    await update(id, { linux: null });
    await limit(id, {});
    await node.kill();
    await node.start();
    expect(await told(id)).to.deep.equal(inForce);
    expect((await pods.status(id)).state).to.equal('CONTAINER_RUNNING');
  });

  it('change the score of what runs, but of nothing that has set its own', async () => {
    const own = '(echo 900 > /proc/self/oom_score_adj; exec sleep 1000)';
    // A pod of its own: other containers' processes would be seen beside these.
    const id = await pods.run(await pods.runPod(), {
      command: ['sh', '-c', `sleep 1000 & ${own} & wait`],
      ...limited({ oom_score_adj: '100' }),
    });
    const show = 'for p in /proc/[0-9]*; do grep -q s[l]eep $p/cmdline && cat $p/oom_score_adj; done; true';
    const scores = async () =>
      (await pods.shell(id, show))
        .split('\n')
        .filter((line) => line !== '')
        .sort();
    await waitFor('a score of its own', async () => (await scores()).join() === '100,100,900');
    for (const score of ['300', '200']) {
      await limit(id, { oom_score_adj: score });
      expect(await scores()).to.deep.equal([score, score, '900']);
      expect(await told(id)).to.include({ oom_score_adj: score });
    }
  });

  it('change not at all where one of them is refused, which is named', async () => {
    const hold = 'x=$(head -c 20000000 /dev/zero | tr "\\0" x); echo held; sleep 1000; echo $x';
    const id = await pods.run(sandbox, {
      command: ['sh', '-c', hold],
      ...limited({ memory_limit_in_bytes: mib(128), cpu_quota: '50000', cpu_period: '100000' }),
    });
    await waitFor('the memory', async () => (await pods.logText(id)).includes('held'));
    const before = await told(id);
    const low = await failure(limit(id, { memory_limit_in_bytes: mib(1), cpu_quota: '70000' }));
    expect(low).to.include({ kind: 'wrong-state' });
    expect(low.message).to.match(
      /^linux\.memory_limit_in_bytes: 1048576 bytes are less than the \d{8,} in use/,
    );
    expect(memoryOf(groupOf(id))).to.equal(mib(128));
    expect(quotaOf(groupOf(id))).to.equal('50000');
    for (const [field, set] of [
      ['linux.cpuset_cpus', { cpuset_cpus: '900', cpu_quota: '70000' }],
      ['linux.memory_swap_limit_in_bytes', { memory_swap_limit_in_bytes: mib(64) }],
      ['linux.oom_score_adj', { oom_score_adj: '1001' }],
    ] as [string, Partial<LinuxContainerResources>][]) {
      expect((await failure(limit(id, set))).message, field).to.contain(`${field}: `);
    }
    const windows = await failure(update(id, { windows: newWindowsContainerResources() }));
    expect(windows.message).to.match(/^windows: /);
    const noted = await failure(update(id, { annotations: { 'a/b': 'c' } }));
    expect(noted.message).to.match(/^annotations\["a\/b"\]: /);
    expect(quotaOf(groupOf(id))).to.equal('50000');
    expect(await told(id)).to.deep.equal(before);
  });

  it('of a created container are those it starts with, its score included', async () => {
    const id = await pods.create(sandbox, limited({ memory_limit_in_bytes: mib(32), oom_score_adj: '100' }));
    await limit(id, { memory_limit_in_bytes: mib(40), oom_score_adj: '300' });
    await pods.start(id);
    expect(memoryOf(groupOf(id))).to.equal(mib(40));
    expect(fs.readFileSync(`/proc/${await pods.pid(id)}/oom_score_adj`, 'utf8').trim()).to.equal('300');
    expect(await told(id)).to.include({ oom_score_adj: '300' });
    await limit(id, { oom_score_adj: '300' });
  });

  it("of a pod limit its own group, and are the kubelet's business in one that it names", async () => {
    const pod = await pods.runPod({
      linux: newLinuxPodSandboxConfig({
        resources: resources({ memory_limit_in_bytes: mib(64), cpu_quota: '50000', cpu_period: '100000' }),
        overhead: resources({ memory_limit_in_bytes: mib(16), cpu_quota: '10000', cpu_period: '50000' }),
      }),
    });
    expect(memoryOf(podGroup(pod))).to.equal(mib(80));
    expect(quotaOf(podGroup(pod))).to.equal('70000');
    const updatePod = (id: string, set: Partial<LinuxContainerResources>) =>
      node.cri.runtime.UpdatePodSandboxResources(
        newUpdatePodSandboxResourcesRequest({ pod_sandbox_id: id, resources: resources(set) }),
        node.ctx,
      );
    await updatePod(pod, { memory_limit_in_bytes: mib(128) });
    expect(memoryOf(podGroup(pod))).to.equal(mib(144));
    expect((await failure(updatePod(pod, { cpu_quota: '5' }))).message).to.match(/^resources\.cpu_quota: /);
    const parent = `${node.config.cgroupParent}/named`;
    const named = await pods.runPod({
      linux: newLinuxPodSandboxConfig({
        cgroup_parent: parent,
        resources: resources({ memory_limit_in_bytes: mib(64) }),
      }),
    });
    const untouched = memoryOf(parent);
    await updatePod(named, { memory_limit_in_bytes: mib(96) });
    expect(memoryOf(parent)).to.equal(untouched);
    const request = newPodSandboxStatusRequest({ pod_sandbox_id: named, verbose: true });
    const { info } = await node.cri.runtime.PodSandboxStatus(request, node.ctx);
    expect(JSON.parse(info['resources'] ?? '{}')).to.deep.include({
      resources: resources({ memory_limit_in_bytes: mib(96) }),
      overhead: null,
    });
  });

  it('raise a score that nodelet may not give, which the log says once', async () => {
    const scores = [];
    for (const _ of [1, 2]) {
      const id = await pods.run(sandbox, limited({ oom_score_adj: '-998' }));
      scores.push((await told(id))?.oom_score_adj);
    }
    const isFree = scores[0] === '-998';
    expect(scores[1]).to.equal(scores[0]);
    expect(node.log().split('oom_score_adj is raised').length - 1).to.equal(isFree ? 0 : 1);
  });

  it('are refused for a container that has ended', async () => {
    const id = await pods.run(sandbox, { command: ['true'] });
    await pods.exited(id);
    expect(await failure(limit(id, { cpu_shares: '100' }))).to.include({ kind: 'wrong-state' });
    expect(await failure(limit('0123456789abcdef', {}))).to.include({ kind: 'not-found' });
  });
});
