import {
  newContainerConfig,
  newContainerMetadata,
  newIDMapping,
  newImageSpec,
  newLinuxContainerConfig,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
  newNamespaceOption,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newPortMapping,
  newUserNamespace,
} from '../../../src/ports/cri/messages.js';
import type { ContainerConfig, Mount, PodSandboxConfig } from '../../../src/ports/cri/messages.js';

/** One pod of a test: a long-running container `main` and a `job` that ends by itself. */
export interface PodScript {
  name: string;
  network: 'bridge' | 'host' | 'none';
  /** 0: none. */
  hostPort: number;
  /** Runs a job again that was killed, as a restart policy does; without it, a killed job is a wrong answer. */
  restarts: boolean;
  /** In a user namespace of its own, with a volume whose ids are mapped. */
  mapped?: boolean;
}

/** What a killed container's exit code is. */
export const killedCode = 137;

export const jobExitCode = 7;

const range = newIDMapping({ container_id: 0, host_id: 100_000, length: 65_536 });

const namespacesOf = ({ network, mapped = false }: PodScript) =>
  newNamespaceOption({
    network: network === 'host' ? 'NODE' : 'POD',
    userns_options: mapped ? newUserNamespace({ mode: 'POD', uids: [range], gids: [range] }) : null,
  });

export function sandboxConfig(script: PodScript): PodSandboxConfig {
  const { name, network, hostPort } = script;
  return newPodSandboxConfig({
    metadata: newPodSandboxMetadata({ name, namespace: 'default', uid: `uid-${name}`, attempt: 0 }),
    hostname: network === 'host' ? '' : name,
    log_directory: `/var/log/pods/${name}`,
    labels: { pod: name },
    annotations: network === 'none' ? { 'nodelet.dev/network': 'none' } : {},
    port_mappings:
      hostPort === 0
        ? []
        : [newPortMapping({ protocol: 'TCP', container_port: 80, host_port: hostPort, host_ip: '' })],
    linux: newLinuxPodSandboxConfig({
      security_context: newLinuxSandboxSecurityContext({ namespace_options: namespacesOf(script) }),
    }),
  });
}

const mappedVolume = newMount({
  host_path: '/srv/volume',
  container_path: '/volume',
  uidMappings: [range],
  gidMappings: [range],
});

/** A pod without a network has volumes in its stead, so that no pod has more steps than the others. */
export function containerConfig(name: 'main' | 'job', pod: PodScript): ContainerConfig {
  const script = `sleep 0.05; exit ${jobExitCode}`;
  return newContainerConfig({
    metadata: newContainerMetadata({ name, attempt: 0 }),
    image: newImageSpec({ image: 'app:latest' }),
    command: name === 'main' ? ['/bin/sleep', '100000'] : ['/bin/sh', '-c', script],
    labels: { container: name },
    mounts: pod.network === 'none' ? volumes() : pod.mapped === true ? [mappedVolume] : [],
    log_path: `${name}/0.log`,
    linux: newLinuxContainerConfig({
      security_context: newLinuxContainerSecurityContext({ namespace_options: namespacesOf(pod) }),
    }),
  });
}

/** Of the host and of an image of several layers. */
function volumes(): Mount[] {
  return [
    newMount({ container_path: '/mnt/host', host_path: '/srv/content' }),
    newMount({
      container_path: '/mnt/image',
      image: newImageSpec({ image: 'app:latest' }),
      readonly: true,
    }),
  ];
}
