import { expect } from 'chai';
import {
  newCapability,
  newContainerConfig,
  newContainerMetadata,
  newImageSpec,
  newInt64Value,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newSELinuxOption,
  newSecurityProfile,
} from '../../src/ports/cri/messages.js';
import type {
  LinuxContainerSecurityContext,
  LinuxPodSandboxConfig,
  LinuxSandboxSecurityContext,
} from '../../src/ports/cri/messages.js';
import { validateContainerConfig } from '../../src/spec/container-validate.js';
import type { MachineLimits } from '../../src/spec/machine-limits.js';
import { validateSandboxConfig } from '../../src/spec/sandbox-validate.js';
import { plainMachine } from './plain-machine.js';

const base = 'config.linux.security_context';
const metadata = newPodSandboxMetadata({ name: 'a', namespace: 'b', uid: 'c' });
const id = (value: string) => newInt64Value({ value });
const localhost = (localhost_ref: string) => newSecurityProfile({ profile_type: 'Localhost', localhost_ref });
const runtimeDefault = newSecurityProfile({ profile_type: 'RuntimeDefault' });
const selinux = {
  process: 'system_u:system_r:container_t:s0',
  file: 'system_u:object_r:container_file_t:s0',
};

function checkContainer(set: Partial<LinuxContainerSecurityContext>, machine: Partial<MachineLimits> = {}) {
  const config = newContainerConfig({
    metadata: newContainerMetadata({ name: 'c' }),
    image: newImageSpec({ image: 'busybox' }),
    linux: newLinuxContainerConfig({ security_context: newLinuxContainerSecurityContext(set) }),
  });
  validateContainerConfig(config, newPodSandboxConfig({ metadata }), { ...plainMachine, ...machine });
}

function checkSandbox(set: Partial<LinuxSandboxSecurityContext>, linux: Partial<LinuxPodSandboxConfig> = {}) {
  const security_context = newLinuxSandboxSecurityContext(set);
  const config = newPodSandboxConfig({
    metadata,
    linux: newLinuxPodSandboxConfig({ security_context, ...linux }),
  });
  validateSandboxConfig(config, plainMachine);
}

type Refusals = [field: string, kind: 'invalid' | 'unsupported', set: object][];

/** What contexts of sandboxes and of containers are refused for alike. */
const shared: Refusals = [
  ['run_as_group', 'invalid', { run_as_group: id('5') }],
  ['run_as_user', 'invalid', { run_as_user: id('-1') }],
  ['run_as_user', 'invalid', { run_as_user: id('2147483648') }],
  ['run_as_group', 'invalid', { run_as_user: id('1'), run_as_group: id('2147483648') }],
  ['supplemental_groups[1]', 'invalid', { supplemental_groups: ['1', '-7'] }],
  ['seccomp.localhost_ref', 'invalid', { seccomp: localhost('relative.json') }],
  ['seccomp.localhost_ref', 'invalid', { seccomp: localhost('') }],
  ['seccomp_profile_path', 'invalid', { seccomp_profile_path: '/no/prefix.json' }],
  ['seccomp_profile_path', 'invalid', { seccomp_profile_path: 'localhost/relative.json' }],
  ['apparmor.localhost_ref', 'unsupported', { apparmor: localhost('own') }],
  ['selinux_options.level', 'unsupported', { selinux_options: newSELinuxOption({ level: 's0' }) }],
];

describe('spec: the security context of a container is refused by the name of the field', () => {
  const refusals: Refusals = [
    ...shared,
    ['privileged', 'invalid', { privileged: true }],
    ['run_as_username', 'invalid', { run_as_user: id('5'), run_as_username: 'a' }],
    ['apparmor_profile', 'unsupported', { apparmor_profile: 'localhost/own' }],
    ['apparmor_profile', 'invalid', { apparmor_profile: 'own' }],
    ['masked_paths[0]', 'invalid', { masked_paths: ['proc/kcore'] }],
    ['readonly_paths[1]', 'invalid', { readonly_paths: ['/proc/sys', ''] }],
    ['readonly_paths[0]', 'invalid', { readonly_paths: ['/proc/../etc'] }],
    ['masked_paths[0]', 'invalid', { masked_paths: ['//'] }],
    ['masked_paths[0]', 'invalid', { masked_paths: ['/.'] }],
    [
      'capabilities.add_capabilities[0]',
      'invalid',
      { capabilities: newCapability({ add_capabilities: ['FLY'] }) },
    ],
  ];
  for (const [field, kind, set] of refusals) {
    it(`${field} (${kind}): ${JSON.stringify(set).slice(0, 80)}`, () => {
      expect(() => checkContainer(set))
        .to.throw()
        .that.includes({ field: `${base}.${field}`, kind });
    });
  }

  it('but not for what a kubelet sends with every container', () => {
    checkContainer({
      run_as_user: id('0'),
      seccomp: runtimeDefault,
      seccomp_profile_path: 'runtime/default',
      apparmor: runtimeDefault,
      apparmor_profile: 'runtime/default',
      selinux_options: newSELinuxOption(),
      masked_paths: ['/proc/kcore'],
      readonly_paths: ['/proc/sys'],
    });
  });
  it('but not for an old field beside a new one, which decides', () => {
    checkContainer({ seccomp: runtimeDefault, seccomp_profile_path: 'nonsense' });
  });
  it('nor for a named AppArmor profile where the machine has AppArmor on', () => {
    checkContainer({ apparmor: localhost('own') }, { appArmor: true });
    checkContainer({ apparmor_profile: 'localhost/own' }, { appArmor: true });
  });
  it('nor for SELinux options where the machine has SELinux on, but for those that are no part of a label', () => {
    const options = { user: 'system_u', role: 'system_r', type: 'svirt_t', level: 's0:c4,c5' };
    checkContainer({ selinux_options: newSELinuxOption(options) }, { selinux });
    for (const level of ['s0,c4,c5', 'c4', 's0:', 's0:c1:c2']) {
      expect(() => checkContainer({ selinux_options: newSELinuxOption({ level }) }, { selinux }))
        .to.throw(level)
        .that.includes({ field: `${base}.selinux_options.level`, kind: 'invalid' });
    }
  });
});

describe('spec: the security context of a sandbox is refused by the name of the field', () => {
  for (const [field, kind, set] of shared) {
    it(`${field} (${kind}): ${JSON.stringify(set).slice(0, 80)}`, () => {
      expect(() => checkSandbox(set))
        .to.throw()
        .that.includes({ field: `${base}.${field}`, kind });
    });
  }
});

describe('spec: sysctls of a pod', () => {
  const check = (sysctls: Record<string, string>) => checkSandbox({}, { sysctls });
  it('are those of its namespaces, with dots or with slashes', () => {
    check({
      'net.ipv4.ip_forward': '1',
      'net/core/somaxconn': '7',
      'kernel/shm_rmid_forced': '1',
      'fs.mqueue.msg_max': '9',
    });
  });
  const refusals: [name: string, kind: 'invalid' | 'unsupported', sysctls: Record<string, string>][] = [
    ['vm.swappiness', 'invalid', { 'vm.swappiness': '1' }],
    ['kernel/panic', 'invalid', { 'kernel/panic': '1' }],
    ['net.ipv4.ip_forward', 'invalid', { 'net.ipv4.ip_forward': ' ' }],
    ['net/ipv4/ip_forward', 'invalid', { 'net.ipv4.ip_forward': '1', 'net/ipv4/ip_forward': '0' }],
    ['net.ipv4.conf.eth0/7.forwarding', 'unsupported', { 'net.ipv4.conf.eth0/7.forwarding': '1' }],
  ];
  for (const [name, kind, sysctls] of refusals) {
    it(`are refused by name: ${JSON.stringify(sysctls)}`, () => {
      expect(() => check(sysctls))
        .to.throw()
        .that.includes({ kind, field: `config.linux.sysctls["${name}"]` });
    });
  }
});
