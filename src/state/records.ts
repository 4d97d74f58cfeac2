import type { ContainerId, ImageId, SandboxId } from '../base/ids.js';
import type {
  ContainerConfig,
  LinuxContainerResources,
  LinuxContainerUser,
  Mount,
  PodSandboxConfig,
} from '../ports/cri/messages.js';
import type { ProcessIdentity } from '../ports/processes.js';

/**
 * A sandbox's life. A record exists from before its first effect until after its last undo.
 *
 *   creating ──► ready ──► stopping ──► stopped ──► removing ──► (no record)
 *       │          └── infra died ────────▲                           ▲
 *       └── failed or crashed, undone in this stage ──────────────────┘
 *
 * CRI sees `creating` not at all, `ready` as SANDBOX_READY, and the others as SANDBOX_NOTREADY: also one whose removal
 * failed, so that clients remove it again.
 */
export type SandboxStage = 'creating' | 'ready' | 'stopping' | 'stopped' | 'removing';
export type NetworkMode = 'bridge' | 'host' | 'none';

export interface SandboxRecord {
  version: 1;
  id: SandboxId;
  stage: SandboxStage;
  config: PodSandboxConfig;
  /** As the request had it, and as resolved. */
  requestedHandler: string;
  handler: string;
  createdAtNs: string;
  networkMode: NetworkMode;
  netnsPath: string | undefined;
  ips: string[];
  cgroupPath: string;
  /** Groups on the way to it that were made for this pod, innermost first: removed with it. */
  madeCgroups: string[];
  bundle: string;
  infra: ProcessIdentity | undefined;
  /** The config's resources are to become the limits of the pod's own group: they may not be them yet. */
  limitsAhead?: boolean;
}

/**
 * A container's life.
 *
 *   creating ──► created ──► starting ──► running ──► exited ──► removing ──► (no record)
 *       │           │            └── start failed ──────▲           ▲
 *       │           └── removed, or sandbox stopped ────┴───────────┤
 *       └── failed or crashed ──────────────────────────────────────┘
 *
 * CRI sees `created` and `starting` as CONTAINER_CREATED; `creating` and `removing` not at all: what a failed removal
 * leaves goes with its sandbox, or with the next container of its name.
 */
export type ContainerStage = 'creating' | 'created' | 'starting' | 'running' | 'exited' | 'removing';

export interface ContainerRecord {
  version: 1;
  id: ContainerId;
  sandboxId: SandboxId;
  stage: ContainerStage;
  config: ContainerConfig;
  /** What the caller asked for, normalized; and the image it was at creation. */
  imageRef: string;
  imageId: ImageId;
  /** `name@sha256:…` that it was pulled by; empty for an image that came from no registry. */
  imageDigest: string;
  createdAtNs: string;
  startedAtNs: string;
  finishedAtNs: string;
  exitCode: number;
  /** `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`, or empty while it lives. */
  reason: string;
  message: string;
  logPath: string | undefined;
  bundle: string;
  cgroupPath: string;
  /** Number of the signal that asks it to stop. */
  stopSignal: number;
  user: LinuxContainerUser | null;
  /** The mounts as a status tells them, an image by its digest; absent until they are prepared, and in older records. */
  mounts?: Mount[];
  /** A CDI device has hooks for after the container's end, which only the OCI runtime's own removal runs. */
  hasPoststop?: boolean;
  /** Limits in force; absent in records of older versions, where they are the config's. */
  resources?: LinuxContainerResources;
  /** Limits that an update is about to put in force. */
  resourcesAhead?: LinuxContainerResources;
  process: ProcessIdentity | undefined;
  monitor: ProcessIdentity | undefined;
}
