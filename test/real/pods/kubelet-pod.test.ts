import fs from 'node:fs';
import { expect } from 'chai';
import {
  newContainerMetadata,
  newDNSConfig,
  newHugepageLimit,
  newInt64Value,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
  newNamespaceOption,
  newSecurityProfile,
  newUserNamespace,
} from '../../../src/ports/cri/messages.js';
import { PodClient } from '../pod-client.js';
import { startRealNode } from '../real-node.js';
import type { RealNode } from '../real-node.js';

const cgroupRoot = '/sys/fs/cgroup';
const isV2 = fs.existsSync(`${cgroupRoot}/cgroup.controllers`);

/** Everything that a kubelet puts into the requests of a plain burstable pod, with the defaults of its own configuration. */
describe('pods: a pod as a kubelet asks for it', () => {
  let node: RealNode;
  let pods: PodClient;
  before(async () => {
    node = await startRealNode();
    pods = await PodClient.on(node);
  });
  after(() => node.dispose());

  it('runs in the groups that the kubelet made, tells its last words, and runs again as the next attempt', async () => {
    const group = `${node.config.cgroupParent}/kubepods/burstable/pod1`;
    // On v1 some controllers may lack it.
    for (const dir of isV2 ? [''] : ['/memory', '/cpu'])
      fs.mkdirSync(`${cgroupRoot}${dir}${group}`, { recursive: true });
    const namespace_options = newNamespaceOption({
      pid: 'CONTAINER',
      userns_options: newUserNamespace({ mode: 'NODE' }),
    });
    const seccomp = newSecurityProfile({ profile_type: 'Unconfined' });
    const limits = { cpu_shares: '102', cpu_period: '100000', memory_limit_in_bytes: '67108864' };
    const sandbox = await pods.runPod({
      hostname: 'web-0',
      dns_config: newDNSConfig({
        servers: ['10.96.0.10'],
        searches: ['default.svc.cluster.local'],
        options: ['ndots:5'],
      }),
      linux: newLinuxPodSandboxConfig({
        cgroup_parent: group,
        security_context: newLinuxSandboxSecurityContext({ namespace_options, seccomp }),
        overhead: newLinuxContainerResources(),
        resources: newLinuxContainerResources(limits),
      }),
    });
    const words = `${node.dir}/last-words`;
    fs.writeFileSync(words, '');
    const run = async (attempt: number, exitCode: number) => {
      const id = await pods.run(sandbox, {
        metadata: newContainerMetadata({ name: 'web', attempt }),
        log_path: `web/${attempt}.log`,
        command: ['sh', '-c', `echo bye${attempt} > /dev/termination-log; exit ${exitCode}`],
        mounts: [newMount({ container_path: '/dev/termination-log', host_path: words })],
        linux: newLinuxContainerConfig({
          resources: newLinuxContainerResources({
            ...limits,
            oom_score_adj: '990',
            hugepage_limits: ['64KB', '2MB', '32MB', '1GB'].map((page_size) =>
              newHugepageLimit({ page_size }),
            ),
            unified: isV2 ? { 'memory.oom.group': '1' } : {},
          }),
          security_context: newLinuxContainerSecurityContext({
            namespace_options,
            seccomp,
            run_as_user: newInt64Value({ value: '0' }),
            masked_paths: ['/proc/acpi', '/proc/kcore', '/proc/interrupts', '/sys/firmware', '/proc/absent'],
            readonly_paths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
          }),
        }),
      });
      return pods.exited(id);
    };
    const first = await run(0, 3);
    expect(first).to.include({ exit_code: 3, reason: 'Error' });
    const place = first.mounts.find((mount) => mount.container_path === '/dev/termination-log');
    expect(fs.readFileSync(place?.host_path ?? '', 'utf8')).to.equal('bye0\n');
    expect(await run(1, 0)).to.include({ exit_code: 0, reason: 'Completed' });
    await pods.removePod(sandbox);
    expect(fs.existsSync(`${cgroupRoot}${isV2 ? '' : '/memory'}${group}`), "the kubelet's group").to.equal(
      true,
    );
  });
});
