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

/** Limits of a cgroup; undefined leaves what is there, -1 of any number but `cpuShares` and `cpuPeriodUs` lifts the limit. */
export interface CgroupLimits {
  /** As in the OCI runtime spec, 2 to 262144 with 1024 as default; on v2 converted to a weight. */
  cpuShares?: number;
  cpuQuotaUs?: number;
  cpuPeriodUs?: number;
  memoryBytes?: number;
  /** Of memory and swap together, as v1 counts and the OCI runtime spec has it; on v2 only with `memoryBytes` beside it. */
  memorySwapBytes?: number;
  pids?: number;
  /** Lists such as `0-2,4`. */
  cpusetCpus?: string;
  cpusetMems?: string;
  /** By the size of the pages as cgroup files name it, `2MB`. */
  hugepages?: { pageSize: string; bytes: number }[];
  /** Files of v2 with their values, none on v1. */
  unified?: Record<string, string>;
}

/**
 * Control groups by path relative to the hierarchy's root (`/nodelet/pod123`), over all v1 controllers or the
 * one v2 tree. Containers' own groups are made by the OCI runtime below the pod's.
 */
export interface Cgroups {
  info(): Promise<CgroupInfo>;
  /**
   * Makes the group (and parents, enabling controllers for children on v2) in every hierarchy and sets its limits, as
   * `update` does. Idempotent. Where a limit is refused, the group is there, to be removed.
   */
  create(path: string, limits?: CgroupLimits): Promise<void>;
  /**
   * Changes limits of a group that is there: all of them, or none. The `field` of an error is the limit's key here, or
   * `unified["KEY"]`: `unsupported` naming the controller that the machine lacks, `wrong-state` for less memory than is in
   * use, `invalid` for a value that the kernel refuses, `not-found` where there is no such group.
   */
  update(path: string, limits: CgroupLimits): Promise<void>;
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
