import { expect } from 'chai';
import {
  newContainerConfig,
  newContainerMetadata,
  newDNSConfig,
  newImageSpec,
  newKeyValue,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newNamespaceOption,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newPortMapping,
  newSELinuxOption,
  newSecurityProfile,
  newUserNamespace,
  newWindowsContainerConfig,
  newWindowsPodSandboxConfig,
} from '../../src/ports/cri/messages.js';
import type {
  ContainerConfig,
  DNSConfig,
  LinuxContainerResources,
  LinuxPodSandboxConfig,
  NamespaceOption,
  PodSandboxConfig,
} from '../../src/ports/cri/messages.js';
import { validateContainerConfig } from '../../src/spec/container-validate.js';
import { validateSandboxConfig } from '../../src/spec/sandbox-validate.js';
import { plainMachine } from './plain-machine.js';

type Refusals = [field: string, kind: 'invalid' | 'unsupported', set: object][];
const metadata = newPodSandboxMetadata({ name: 'a', namespace: 'b', uid: 'c' });
const namespaced = (set: Partial<NamespaceOption>) => ({ namespace_options: newNamespaceOption(set) });

describe('spec: a sandbox config is refused by the name of the field', () => {
  const sandbox = (set: Partial<PodSandboxConfig>) => newPodSandboxConfig({ metadata, ...set });
  const linux = (set: Partial<LinuxPodSandboxConfig>) => ({ linux: newLinuxPodSandboxConfig(set) });
  const dns = (set: Partial<DNSConfig>) => ({ dns_config: newDNSConfig(set) });
  const port = (set: object) => ({
    port_mappings: [newPortMapping({ container_port: 80, host_port: 80, ...set })],
  });
  const refusals: Refusals = [
    ['config.metadata', 'invalid', { metadata: null }],
    ['config.metadata.name', 'invalid', { metadata: { ...metadata, name: '' } }],
    ['config.metadata.namespace', 'invalid', { metadata: { ...metadata, namespace: '' } }],
    ['config.metadata.uid', 'invalid', { metadata: { ...metadata, uid: '' } }],
    ['config.windows', 'unsupported', { windows: newWindowsPodSandboxConfig() }],
    ['config.hostname', 'invalid', { hostname: 'x'.repeat(65) }],
    ['config.hostname', 'invalid', { hostname: 'a\n10.0.0.1 registry' }],
    ['config.dns_config.servers[0]', 'invalid', dns({ servers: ['1.1.1.1\nnameserver 6.6.6.6'] })],
    ['config.dns_config.searches[1]', 'invalid', dns({ searches: ['a', 'b c'] })],
    ['config.dns_config.options[0]', 'invalid', dns({ options: ['ndots:5\nsearch x'] })],
    ['config.log_directory', 'invalid', { log_directory: 'logs' }],
    ['config.log_directory', 'invalid', { log_directory: '/logs/a:b' }],
    ['config.port_mappings[0].host_port', 'invalid', port({ host_port: 65536 })],
    ['config.port_mappings[0].container_port', 'invalid', port({ container_port: 0 })],
    [
      'config.port_mappings[0].container_port',
      'invalid',
      { port_mappings: [newPortMapping({ container_port: -1 })] },
    ],
    ['config.port_mappings[0].host_ip', 'invalid', port({ host_ip: 'here' })],
    ['config.linux.cgroup_parent', 'invalid', linux({ cgroup_parent: 'kubepods.slice' })],
    ['config.linux.cgroup_parent', 'invalid', linux({ cgroup_parent: '/a/../../b' })],
    ['config.linux.sysctls["vm.swappiness"]', 'invalid', linux({ sysctls: { 'vm.swappiness': '1' } })],
    [
      'config.linux.sysctls["net.core.somaxconn"]',
      'invalid',
      linux({
        sysctls: { 'net.core.somaxconn': '1' },
        security_context: newLinuxSandboxSecurityContext(namespaced({ network: 'NODE' })),
      }),
    ],
    [
      'config.linux.sysctls["kernel.sem"]',
      'invalid',
      linux({
        sysctls: { 'kernel.sem': '1' },
        security_context: newLinuxSandboxSecurityContext(namespaced({ ipc: 'NODE' })),
      }),
    ],
  ];
  for (const [field, kind, set] of refusals) {
    it(`${field} (${kind})`, () => {
      expect(() => validateSandboxConfig(sandbox(set), plainMachine))
        .to.throw()
        .that.includes({ field, kind });
    });
  }

  it('but not for what a kubelet sends with every pod', () => {
    const config = sandbox({
      hostname: 'web-0',
      port_mappings: [newPortMapping({ container_port: 80 })],
      linux: newLinuxPodSandboxConfig({
        cgroup_parent: '/kubepods/besteffort/pod1',
        sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0', 'kernel.shm_rmid_forced': '1' },
        overhead: newLinuxContainerResources(),
        resources: newLinuxContainerResources({ memory_limit_in_bytes: '100', cpu_shares: '2' }),
        security_context: newLinuxSandboxSecurityContext({
          namespace_options: newNamespaceOption({
            pid: 'CONTAINER',
            userns_options: newUserNamespace({ mode: 'NODE' }),
          }),
          seccomp: newSecurityProfile({ profile_type: 'RuntimeDefault' }),
          seccomp_profile_path: 'runtime/default',
          selinux_options: newSELinuxOption(),
        }),
      }),
    });
    expect(() => validateSandboxConfig(config, plainMachine)).not.to.throw();
  });
});

describe('spec: a container config is refused by the name of the field', () => {
  const image = newImageSpec({ image: 'busybox' });
  const base = { metadata: newContainerMetadata({ name: 'c' }), image };
  const container = (set: Partial<ContainerConfig>) => newContainerConfig({ ...base, ...set });
  const limited = (set: Partial<LinuxContainerResources>) => ({
    linux: newLinuxContainerConfig({ resources: newLinuxContainerResources(set) }),
  });
  const env = (key: string, value: number[]) => ({
    envs: [newKeyValue({ key, value: Uint8Array.from(value) })],
  });
  const resources = 'config.linux.resources';
  const refusals: Refusals = [
    ['config.metadata', 'invalid', { metadata: null }],
    ['config.metadata.name', 'invalid', { metadata: newContainerMetadata() }],
    ['config.image.image', 'invalid', { image: null }],
    ['config.windows', 'unsupported', { windows: newWindowsContainerConfig() }],
    ['config.working_dir', 'invalid', { working_dir: 'here' }],
    ['config.log_path', 'invalid', { log_path: '../../etc/cron.d/x' }],
    ['config.log_path', 'invalid', { log_path: 'a:b.log' }],
    ['config.command[0]', 'invalid', { command: ['sleep\0'] }],
    ['config.args[1]', 'invalid', { args: ['a', 'x'.repeat(128 * 1024)] }],
    ['config.envs[0].value', 'invalid', env('A', Array<number>(128 * 1024 - 2).fill(65))],
    ['config.envs[0].key', 'invalid', env('A=B', [])],
    ['config.envs[0].key', 'invalid', env('', [])],
    ['config.envs[0].value', 'invalid', env('A', [0xff])],
    ['config.envs[0].value', 'invalid', env('A', [65, 0])],
    [`${resources}.cpuset_cpus`, 'invalid', limited({ cpuset_cpus: 'all' })],
    [`${resources}.unified["memory.high"]`, 'unsupported', limited({ unified: { 'memory.high': '1' } })],
    [
      `${resources}.hugepage_limits[0].page_size`,
      'unsupported',
      limited({ hugepage_limits: [{ page_size: '1GB', limit: '1073741824' }] }),
    ],
  ];
  for (const [field, kind, set] of refusals) {
    it(`${field} (${kind})`, () => {
      const config = container(set);
      expect(() => validateContainerConfig(config, newPodSandboxConfig({ metadata }), plainMachine))
        .to.throw()
        .that.includes({ field, kind });
    });
  }
});
