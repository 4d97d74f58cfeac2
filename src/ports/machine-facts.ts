/** What `nodelet doctor` looks at: facts only, judged elsewhere. */
export interface MachineFacts {
  /** `uname -r`. */
  kernelRelease: string;
  nodeVersion: string;
  /** Effective user id of this process. */
  uid: number;
  /** Whether the kernel knows overlayfs, or has it as a module that the first mount loads. */
  overlay: 'in the kernel' | 'a module' | 'none';
  /** Kinds of namespaces that pods need and the kernel lacks, by their names in /proc/self/ns. */
  missingNamespaces: string[];
  /** Whether the kernel filters system calls, and the profile that containers get by default; undefined where there is none. */
  seccomp: { supported: boolean; profilePath: string | undefined };
  /** What nft says when asked for its tables; undefined when it answers well. */
  nftablesTrouble: string | undefined;
  cgroup: { version: 'v1' | 'v2' | 'hybrid'; strandedControllers: string[] };
  /** Whether nodelet's configuration lets it mount stranded controllers by itself. */
  fixHybridCgroups: boolean;
  binaries: BinaryFact[];
  capSysAdmin: boolean;
  capSysResource: boolean;
  /** net.ipv4.ip_forward. */
  ipForward: boolean;
  runDir: { path: string; fileSystem: 'tmpfs' | 'other' };
  /** Listening addresses that nodelet wants for itself. */
  ports: { address: string; use: string; free: boolean }[];
}

export interface BinaryFact {
  name: string;
  /** Debian package that brings it. */
  packageName: string;
  /** Without a required one no pod runs. */
  required: boolean;
  /** Undefined where it isn't installed. */
  path: string | undefined;
  /** First line of its `--version`, undefined where it could not be asked. */
  version: string | undefined;
}
