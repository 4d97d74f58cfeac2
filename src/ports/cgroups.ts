/** Version facts of the machine's cgroup set-up. */
export interface CgroupInfo {
  /** `v2` unified only; `v1` has no v2 controllers; `hybrid` has v1 controllers and a v2 mount. */
  version: 'v1' | 'v2' | 'hybrid';
  /**
   * Controllers of a hybrid machine that aren't mounted as v1: still bound to v2, where crun refuses to run, or bound to a
   * v1 hierarchy that is mounted nowhere, where crun fails at the first limit of theirs.
   */
  strandedControllers: string[];
  controllers: string[];
}

/** Limits for a pod-level cgroup; undefined leaves the kernel's default, -1 of any but `cpuShares` and `cpuPeriodUs` lifts the limit. */
export interface CgroupLimits {
  /** As in the OCI runtime spec, 2 to 262144 with 1024 as default; on v2 converted to a weight. */
  cpuShares?: number;
  cpuQuotaUs?: number;
  cpuPeriodUs?: number;
  memoryBytes?: number;
  pids?: number;
}

/**
 * Control groups by path relative to the hierarchy's root (`/nodelet/pod123`), over all v1 controllers or the
 * one v2 tree. Containers' own groups are made by the OCI runtime below the pod's.
 */
export interface Cgroups {
  info(): Promise<CgroupInfo>;
  /**
   * Makes the group (and parents, enabling controllers for children on v2) in every hierarchy and sets its limits. Idempotent.
   * `unsupported` naming the controller that a limit needs and the machine lacks; `tool-failed` naming the file
   * that refused a value. The group is there then, to be removed.
   */
  create(path: string, limits?: CgroupLimits): Promise<void>;
  /** Removes the group and the groups below it; gone is success; `wrong-state` when processes remain in it. */
  remove(path: string): Promise<void>;
  /** Moves a process into an existing group, in every hierarchy. False when the process has gone; `not-found` where there is no such group. */
  attach(path: string, pid: number): Promise<boolean>;
  /**
   * Sends SIGKILL to every process in the group and below it, frozen ones too, until none is left; gone is success. False
   * when some still live after `timeoutMs`.
   */
  kill(path: string, timeoutMs: number): Promise<boolean>;
  /** Lets the processes of the group run where somebody has frozen them; gone, and not frozen, is success. */
  thaw(path: string): Promise<void>;
  /** Live pids in the group and below it. */
  pids(path: string): Promise<number[]>;
  /** Names of groups directly below `path`, over all hierarchies. */
  children(path: string): Promise<string[]>;
  /** Mounts a stranded controller as a v1 hierarchy of its own, so that crun runs on a hybrid machine. */
  mountV1Controller(controller: string): Promise<void>;
  /** How many OOM kills the group has had: memory.oom_control (v1) or memory.events (v2); 0 where it is gone. */
  oomKills(path: string): Promise<number>;
}
