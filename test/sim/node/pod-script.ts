import {
  newContainerConfig,
  newContainerMetadata,
  newImageSpec,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
  newNamespaceOption,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newPortMapping,
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
}

/** What a killed container's exit code is. */
export const killedCode = 137;

export const jobExitCode = 7;

export function sandboxConfig({ name, network, hostPort }: PodScript): PodSandboxConfig {
  const options = newNamespaceOption({ network: network === 'host' ? 'NODE' : 'POD' });
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
      security_context: newLinuxSandboxSecurityContext({ namespace_options: options }),
    }),
  });
}

/** A pod without a network has volumes in its stead, so that no pod has more steps than the others. */
export function containerConfig(name: 'main' | 'job', { network }: PodScript): ContainerConfig {
  const script = `sleep 0.05; exit ${jobExitCode}`;
  return newContainerConfig({
    metadata: newContainerMetadata({ name, attempt: 0 }),
    image: newImageSpec({ image: 'app:latest' }),
    command: name === 'main' ? ['/bin/sleep', '100000'] : ['/bin/sh', '-c', script],
    labels: { container: name },
    mounts: network === 'none' ? volumes() : [],
    log_path: `${name}/0.log`,
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
