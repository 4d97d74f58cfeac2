import fs from 'node:fs';
import { expect } from 'chai';
import {
  newImageSpec,
  newInt64Value,
  newKeyValue,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
} from '../../../src/ports/cri/messages.js';
import type { ContainerConfig, LinuxContainerResources } from '../../../src/ports/cri/messages.js';
import { isV2 } from '../cgroup-version.js';
import { PodClient, failure, secured } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const limited = (set: Partial<LinuxContainerResources>): Partial<ContainerConfig> => ({
  linux: newLinuxContainerConfig({ resources: newLinuxContainerResources(set) }),
});

describe('pods: the process of a container (real crun)', () => {
  let node: RealNode;
  let pods: PodClient;
  let sandbox = '';
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
    sandbox = await pods.runPod({
      linux: newLinuxPodSandboxConfig({
        security_context: newLinuxSandboxSecurityContext({ privileged: true }),
      }),
    });
  });
  after(() => node.dispose());

  /** What a shell line prints as process 1 of a container. */
  async function printed(line: string, set: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await pods.run(sandbox, { command: ['sh', '-c', line], ...set });
    const { exit_code, message } = await pods.exited(id);
    expect(exit_code, message).to.equal(0);
    return pods.logText(id);
  }
  const mask = (hex: string | undefined) => BigInt(`0x${hex ?? ''}`);

  it('gets the image: entrypoint, env, working directory and user, where the request is silent', async () => {
    const image = newImageSpec({
      image: await node.image({
        entrypoint: ['sh', '-c', 'echo "$0 $A $(pwd) $(id -u):$(id -g)"'],
        cmd: ['cmd'],
        env: ['A=image'],
        workdir: '/var/www',
        user: 'app:staff',
      }),
    });
    const id = await pods.run(sandbox, { image });
    const { user } = await pods.exited(id);
    expect(await pods.logText(id)).to.equal('cmd image /var/www 1000:3000');
    expect(user?.linux).to.deep.include({ uid: '1000', gid: '3000' });
    const other = await pods.run(sandbox, { image, args: ['own'] });
    await pods.exited(other);
    expect(await pods.logText(other)).to.match(/^own image/);
  });

  it("gets the request's own over the image's: env with newlines, a working directory that is made, groups", async () => {
    const out = await printed('echo "$C|$HOSTNAME|$PATH|$(pwd)|$(id -u):$(id -g):$(id -G)"', {
      envs: [newKeyValue({ key: 'C', value: bytes('x\ny=z') })],
      working_dir: '/made/for/it',
      ...secured({
        run_as_user: newInt64Value({ value: '1000' }),
        run_as_group: newInt64Value({ value: '99' }),
        supplemental_groups: ['5'],
      }),
    });
    const { hostname } = pods.podConfigOf(sandbox);
    // 3000 is the image's own group list's.
    expect(out).to.equal(`x\ny=z|${hostname}|/bin|/made/for/it|1000:99:99 5 3000`);
  });

  it('is refused by the field of its folder where that is none', async () => {
    for (const handler of ['crun', 'runc']) {
      const pod = await pods.runPod({}, handler);
      for (const working_dir of ['/bin/busybox', '/bin/busybox/deeper']) {
        const error = await failure(pods.run(pod, { working_dir }));
        expect(error).to.include({ kind: 'invalid' });
        expect(error.message).to.match(/^config\.working_dir: is no folder .*not a directory/i);
      }
      const image = newImageSpec({ image: await node.image({ workdir: '/etc/passwd' }) });
      const error = await failure(pods.run(pod, { image }));
      expect(error.message).to.match(/^image config WorkingDir: is no folder/);
    }
  });

  it('has its limits in the cgroup', async () => {
    const id = await pods.run(
      sandbox,
      limited({
        memory_limit_in_bytes: String(64 << 20),
        cpu_shares: '512',
        cpu_quota: '50000',
        cpu_period: '100000',
        cpuset_cpus: '0',
      }),
    );
    const files = isV2
      ? 'memory.max cpu.weight cpu.max cpuset.cpus'
      : 'memory/memory.limit_in_bytes cpu/cpu.shares cpu/cpu.cfs_quota_us cpuset/cpuset.cpus';
    const read = await pods.shell(id, `cd /sys/fs/cgroup && cat ${files}`);
    const cpu = isV2 ? ['20', '50000 100000'] : ['512', '50000'];
    expect(read.split('\n')).to.deep.equal([String(64 << 20), ...cpu, '0']);
  });

  it('takes what the kubelet sends with every container: no huge pages, an oom_score_adj', async () => {
    const hugepage_limits = ['2MB', '1GB', '64KB'].map((page_size) => ({ page_size, limit: '0' }));
    const kubelets = limited({
      cpu_shares: '2',
      cpu_period: '100000',
      oom_score_adj: '1000',
      hugepage_limits,
    });
    expect(await printed('cat /proc/self/oom_score_adj', kubelets)).to.equal('1000');
    const status = fs.readFileSync('/proc/self/status', 'utf8');
    const mayLower = (mask(/^CapEff:\s*(\w+)/m.exec(status)?.[1]) >> 24n) & 1n;
    const own = fs.readFileSync('/proc/self/oom_score_adj', 'utf8').trim();
    const lowered = await printed('cat /proc/self/oom_score_adj', limited({ oom_score_adj: '-998' }));
    expect(lowered).to.equal(mayLower === 1n ? '-998' : own);
  });
});
