import type { ContainerRecord, SandboxRecord } from '../../state/records.js';
import type { SampleTarget } from './usage-sample.js';

/** Containers and pods have usage while they run: what has ended keeps no cgroup. */
export const isSampledContainer = ({ stage }: ContainerRecord): boolean => stage === 'running';
export const isSampledPod = ({ stage }: SandboxRecord): boolean => stage === 'ready';

export const containerTarget = ({ id, cgroupPath, startedAtNs }: ContainerRecord): SampleTarget => ({
  id,
  cgroupPath,
  startedAtNs,
});

export const podTarget = ({ id, cgroupPath, createdAtNs }: SandboxRecord): SampleTarget => ({
  id,
  cgroupPath,
  startedAtNs: createdAtNs,
});
