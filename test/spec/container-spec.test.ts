import { expect } from 'chai';
import {
  newContainerConfig,
  newKeyValue,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
  newNamespaceOption,
  newPodSandboxConfig,
} from '../../src/ports/cri/messages.js';
import type { ContainerConfig, LinuxContainerSecurityContext } from '../../src/ports/cri/messages.js';
import { noCapabilities } from '../../src/spec/security/capabilities.js';
import { buildContainerSpec } from '../../src/spec/container-spec.js';
import type { ContainerSpecInput } from '../../src/spec/container-spec.js';
import { plainMachine } from './plain-machine.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const secured = (set: Partial<LinuxContainerSecurityContext>) =>
  newLinuxContainerConfig({ security_context: newLinuxContainerSecurityContext(set) });

function spec(config: Partial<ContainerConfig>, set: Partial<ContainerSpecInput> = {}) {
  return buildContainerSpec({
    config: newContainerConfig({ command: ['true'], ...config }),
    mounts: (config.mounts ?? []).map((mount) => ({
      mount,
      source: mount.host_path,
      destination: mount.container_path,
    })),
    sandboxId: 'pod-1',
    sandboxConfig: newPodSandboxConfig(),
    image: { env: [], entrypoint: [], cmd: [], workingDir: '' },
    rootfs: '/rootfs',
    security: {
      user: { uid: 0, gid: 0, additionalGids: [0] },
      capabilities: noCapabilities,
      seccomp: undefined,
      appArmorProfile: undefined,
      selinux: undefined,
    },
    infraPid: 7,
    targetPid: undefined,
    idMapping: undefined,
    netnsPath: '/netns/pod-1',
    cgroupsPath: '/pods/pod-1/c',
    hostname: 'pod-1',
    files: {
      resolvConf: '/pod/resolv.conf',
      hosts: '/pod/hosts',
      hostname: '/pod/hostname',
      shm: '/pod/shm',
    },
    devices: { files: [], rules: [] },
    classes: { blockIo: undefined, intelRdt: undefined },
    machine: plainMachine,
    ...set,
  });
}

describe('spec: a container from its CRI config and its image', () => {
  const image = { env: ['A=image', 'B=image'], entrypoint: ['entry'], cmd: ['cmd'], workingDir: '/work' };

  const commands: [what: string, command: string[], args: string[], expected: string[]][] = [
    ["the image's entrypoint and cmd", [], [], ['entry', 'cmd']],
    ['args in place of the cmd', [], ['own'], ['entry', 'own']],
    ['a command in place of both', ['run'], [], ['run']],
    ['command and args', ['run'], ['own'], ['run', 'own']],
  ];
  for (const [what, command, args, expected] of commands) {
    it(`runs ${what}`, () => {
      expect(spec({ command, args }, { image }).process.args).to.deep.equal(expected);
    });
  }
  it('refuses a container that nothing names a command for', () => {
    expect(() => spec({ command: [] }))
      .to.throw()
      .that.includes({ kind: 'invalid', field: 'config.command' });
  });

  it("merges env: the request's over the image's over the defaults", () => {
    const envs = [newKeyValue({ key: 'A', value: bytes('own') })];
    const { env } = spec({ envs, tty: true }, { image }).process;
    expect(env).to.have.members([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOSTNAME=pod-1',
      'TERM=xterm',
      'A=own',
      'B=image',
    ]);
  });

  it("keeps the request's annotations from the OCI runtime, which takes orders by them", () => {
    const annotations = { 'run.oci.keep_original_groups': '1', 'run.oci.hooks.stdout': '/etc/passwd' };
    expect(Object.keys(spec({ annotations }).annotations ?? {}).join()).not.to.contain('run.oci');
  });

  it("joins the pod's network, UTS and IPC, and the PID namespace that is asked for", () => {
    const of = (set: Partial<ContainerSpecInput>, pid: 'POD' | 'CONTAINER' | 'NODE' = 'POD') => {
      const linux = secured({ namespace_options: newNamespaceOption({ pid }) });
      return Object.fromEntries(
        spec({ linux }, set).linux.namespaces.map(({ type, path }) => [type, path ?? 'new']),
      );
    };
    const shared = { mount: 'new', network: '/netns/pod-1', uts: '/proc/7/ns/uts', ipc: '/proc/7/ns/ipc' };
    expect(of({})).to.deep.equal({ ...shared, pid: '/proc/7/ns/pid' });
    expect(of({}, 'CONTAINER')).to.deep.equal({ ...shared, pid: 'new' });
    expect(of({}, 'NODE')).to.deep.equal(shared);
    expect(of({ netnsPath: undefined }, 'NODE')).to.deep.equal({ mount: 'new', ipc: '/proc/7/ns/ipc' });
    const hostIpc = newLinuxSandboxSecurityContext({
      namespace_options: newNamespaceOption({ ipc: 'NODE' }),
    });
    const sandboxConfig = newPodSandboxConfig({
      linux: newLinuxPodSandboxConfig({ security_context: hostIpc }),
    });
    expect(of({ sandboxConfig }), 'host IPC is the sandbox’s to choose').not.to.have.property('ipc');
    expect(of({ machine: { ...plainMachine, cgroupV2: true } })).to.have.property('cgroup', 'new');
  });

  it("lets the request's mounts replace the usual ones at their place", () => {
    const mounts = [newMount({ container_path: '/etc/hosts', host_path: '/own/hosts', readonly: true })];
    const at = spec({ mounts }).mounts.filter(({ destination }) => destination.startsWith('/etc/hosts'));
    expect(at).to.deep.equal([
      {
        destination: '/etc/hosts',
        type: 'bind',
        source: '/own/hosts',
        options: ['rbind', 'rprivate', 'ro'],
      },
    ]);
  });

  it("mounts the pod's files read-only over a read-only root", () => {
    const hosts = (readonly_rootfs: boolean) =>
      spec({ linux: secured({ readonly_rootfs }) }).mounts.find(
        ({ destination }) => destination === '/etc/hosts',
      );
    expect(hosts(true)?.options).to.include('ro');
    expect(hosts(false)?.options).to.include('rw');
  });

  it('drops limits of no huge pages on a machine without such pages, and keeps the others', () => {
    const hugepage_limits = [
      { page_size: '2MB', limit: '4194304' },
      { page_size: '1GB', limit: '0' },
    ];
    const linux = newLinuxContainerConfig({ resources: newLinuxContainerResources({ hugepage_limits }) });
    expect(spec({ linux }).linux.resources.hugepageLimits).to.deep.equal([
      { pageSize: '2MB', limit: 4194304 },
    ]);
  });

  it('raises an oom_score_adj that the agent may not give', () => {
    const linux = newLinuxContainerConfig({
      resources: newLinuxContainerResources({ oom_score_adj: '-998' }),
    });
    expect(spec({ linux }).process.oomScoreAdj).to.equal(0);
    const machine = { ...plainMachine, lowestOomScore: -1000 };
    expect(spec({ linux }, { machine }).process.oomScoreAdj).to.equal(-998);
  });
});
