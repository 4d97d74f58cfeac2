import { join } from 'node:path';
import {
  newCapability,
  newContainerConfig,
  newContainerMetadata,
  newImageSpec,
  newInt64Value,
  newKeyValue,
  newLinuxContainerConfig,
  newLinuxContainerResources,
  newLinuxContainerSecurityContext,
  newLinuxPodSandboxConfig,
  newLinuxSandboxSecurityContext,
  newMount,
  newNamespaceOption,
  newPodSandboxConfig,
  newPodSandboxMetadata,
  newPortMapping,
  newSecurityProfile,
} from '../ports/cri/messages.js';
import type {
  ContainerConfig,
  Int64Value,
  LinuxContainerResources,
  NamespaceOption,
  PodSandboxConfig,
} from '../ports/cri/messages.js';
import { oomScoreAdj } from '../spec/manifests/pod-qos.js';
import { milliCpu, quantityBytes } from '../spec/manifests/pod-quantity.js';
import type { PodContainer, PodManifest } from '../spec/manifests/pod-types.js';
import { expandVariables, variablesOf } from '../spec/manifests/pod-variables.js';
import type { AgentConfig } from './agent-config.js';
import type { DesiredPod } from './desired-pod.js';
import { containerKindAnnotation, imageAnnotation, labelNames, specHashAnnotation } from './desired-pod.js';

const cpuPeriodUs = 100_000;

/** Kernel files that tell of, or change, the whole machine: what the kubelet hides from containers and locks. */
const maskedPaths =
  '/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware'.split(
    ' ',
  );
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** `/var/log/pods/<namespace>_<name>_<uid>`, the kubelet's layout. */
export function podLogFolder(record: DesiredPod, config: AgentConfig): string {
  const { namespace, name } = record.pod.metadata;
  return join(config.podLogDir, `${namespace}_${name}_${record.uid}`);
}

export function containerLogFile(container: string, attempt: number): string {
  return `${container}/${attempt}.log`;
}

export function emptyDirPath(uid: string, volume: string, config: AgentConfig): string {
  return join(podVolumesFolder(uid, config), volume);
}

export function podVolumesFolder(uid: string, config: AgentConfig): string {
  return join(config.rootDir, 'volumes', uid);
}

function int64(value: number | undefined): Int64Value | null {
  return value === undefined ? null : newInt64Value({ value: String(value) });
}

function namespaces({ spec }: PodManifest): NamespaceOption {
  return newNamespaceOption({
    network: spec.hostNetwork ? 'NODE' : 'POD',
    pid: spec.hostPID ? 'NODE' : 'CONTAINER',
    ipc: spec.hostIPC ? 'NODE' : 'POD',
  });
}

function identityLabels(record: DesiredPod): Record<string, string> {
  const { name, namespace } = record.pod.metadata;
  return {
    [labelNames.podName]: name,
    [labelNames.podNamespace]: namespace,
    [labelNames.podUid]: record.uid,
  };
}

export function sandboxConfig(record: DesiredPod, attempt: number, config: AgentConfig): PodSandboxConfig {
  const { metadata, spec } = record.pod;
  const all = [...spec.initContainers, ...spec.containers];
  return newPodSandboxConfig({
    metadata: newPodSandboxMetadata({
      name: metadata.name,
      namespace: metadata.namespace,
      uid: record.uid,
      attempt,
    }),
    hostname: spec.hostNetwork ? '' : (spec.hostname ?? metadata.name.slice(0, 63).replace(/[-.]+$/, '')),
    log_directory: podLogFolder(record, config),
    labels: { ...metadata.labels, ...identityLabels(record) },
    annotations: { ...metadata.annotations, [specHashAnnotation]: record.specHash },
    port_mappings: spec.hostNetwork
      ? []
      : spec.containers.flatMap(({ ports = [] }) =>
          ports.map((port) =>
            newPortMapping({
              protocol: port.protocol ?? 'TCP',
              container_port: port.containerPort,
              host_port: port.hostPort ?? 0,
              host_ip: port.hostIP ?? '',
            }),
          ),
        ),
    linux: newLinuxPodSandboxConfig({
      security_context: newLinuxSandboxSecurityContext({
        namespace_options: namespaces(record.pod),
        run_as_user: int64(spec.securityContext?.runAsUser),
        run_as_group: int64(spec.securityContext?.runAsGroup),
        supplemental_groups: (spec.securityContext?.supplementalGroups ?? []).map(String),
        privileged: all.some((container) => container.securityContext?.privileged === true),
      }),
    }),
  });
}

/**
 * Kernel values of Kubernetes amounts: shares from the cpu request (or limit), quota and memory from the limits,
 * and from the memory request who is ended first when the machine has none left.
 */
export function containerResources(
  pod: PodManifest,
  container: PodContainer,
  { machineMemoryBytes }: Pick<AgentConfig, 'machineMemoryBytes'>,
): LinuxContainerResources {
  const { resources = {} } = container;
  const { limits = {}, requests = {} } = resources;
  const share = requests.cpu ?? limits.cpu;
  return newLinuxContainerResources({
    oom_score_adj: String(oomScoreAdj(pod, container, machineMemoryBytes)),
    cpu_shares: String(Math.max(2, Math.floor((milliCpu(share ?? 0) * 1024) / 1000))),
    ...(limits.cpu === undefined
      ? {}
      : {
          cpu_period: String(cpuPeriodUs),
          cpu_quota: String(Math.max(1000, Math.round((milliCpu(limits.cpu) * cpuPeriodUs) / 1000))),
        }),
    ...(limits.memory === undefined ? {} : { memory_limit_in_bytes: String(quantityBytes(limits.memory)) }),
  });
}

export interface ContainerPlan {
  container: PodContainer;
  init: boolean;
  attempt: number;
  /** What the pull or the image store answered. */
  imageRef: string;
}

export function containerConfig(
  record: DesiredPod,
  plan: ContainerPlan,
  config: AgentConfig,
): ContainerConfig {
  const { container, attempt } = plan;
  const { spec } = record.pod;
  const security = container.securityContext ?? {};
  const pod = spec.securityContext ?? {};
  const variables = variablesOf(container.env ?? []);
  const expanded = (words: string[] = []): string[] => words.map((word) => expandVariables(word, variables));
  return newContainerConfig({
    metadata: newContainerMetadata({ name: container.name, attempt }),
    image: newImageSpec({ image: plan.imageRef, user_specified_image: container.image }),
    command: expanded(container.command),
    args: expanded(container.args),
    working_dir: container.workingDir ?? '',
    envs: [...variables].map(([key, value]) => newKeyValue({ key, value: Buffer.from(value, 'utf8') })),
    mounts: (container.volumeMounts ?? []).map((mount) => {
      const volume = spec.volumes.find((candidate) => candidate.name === mount.name);
      return newMount({
        container_path: mount.mountPath,
        host_path: volume?.hostPath?.path ?? emptyDirPath(record.uid, mount.name, config),
        readonly: mount.readOnly ?? false,
      });
    }),
    labels: { ...identityLabels(record), [labelNames.containerName]: container.name },
    annotations: {
      [containerKindAnnotation]: plan.init ? 'init' : 'main',
      [imageAnnotation]: container.image,
    },
    log_path: containerLogFile(container.name, attempt),
    stdin: container.stdin ?? false,
    stdin_once: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: newLinuxContainerConfig({
      resources: containerResources(record.pod, container, config),
      security_context: newLinuxContainerSecurityContext({
        namespace_options: namespaces(record.pod),
        privileged: security.privileged ?? false,
        readonly_rootfs: security.readOnlyRootFilesystem ?? false,
        no_new_privs: security.allowPrivilegeEscalation === false,
        seccomp: newSecurityProfile({ profile_type: security.privileged ? 'Unconfined' : 'RuntimeDefault' }),
        ...(security.privileged ? {} : { masked_paths: maskedPaths, readonly_paths: readonlyPaths }),
        run_as_user: int64(security.runAsUser ?? pod.runAsUser),
        run_as_group: int64(security.runAsGroup ?? pod.runAsGroup),
        supplemental_groups: (pod.supplementalGroups ?? []).map(String),
        capabilities: newCapability({
          add_capabilities: security.capabilities?.add ?? [],
          drop_capabilities: security.capabilities?.drop ?? [],
        }),
      }),
    }),
  });
}
