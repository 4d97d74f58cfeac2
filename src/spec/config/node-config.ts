/** nodelet's own configuration, as read from /etc/nodelet/config.yaml (every key optional) and command-line flags. */
export interface NodeConfig {
  /** Durable data: records, blobs, layers, snapshots. Default /var/lib/nodelet. */
  rootDir: string;
  /** Boot-scoped data: sockets, bundles, exit files, pinned namespaces. Default /run/nodelet; must be on a tmpfs in production. */
  runDir: string;
  /** Default `${runDir}/nodelet.sock`. */
  criSocket: string;
  /** HTTP API in Kubernetes' shapes for the CLI. Default `${runDir}/api.sock`. */
  apiSocket: string;
  /** Watched folder of Pod manifests. Default /etc/nodelet/manifests. */
  manifestDir: string;
  /** Host folder under which agent-made pods log, as the kubelet does. Default /var/log/pods. */
  podLogDir: string;
  /** `host:port` of /metrics; empty string turns it off. Default 127.0.0.1:9477. */
  metricsAddress: string;
  /** Name that pods see as their node. Default: the host's name. */
  nodeName: string;
  /** Parent of all of nodelet's cgroups when a request names none. Default /nodelet. */
  cgroupParent: string;
  /** Reference of the infra image; undefined uses the embedded one. */
  pauseImage: string | undefined;
  /** OCI runtimes by handler name; the empty handler of a request means `defaultRuntime`. Default crun, with runc where it is installed. */
  runtimes: Record<string, RuntimeHandlerConfig>;
  defaultRuntime: string;
  conmonPath: string;
  /** On a hybrid cgroup machine: mount the stranded v2 controllers as v1 so that crun works. Default true. */
  fixHybridCgroups: boolean;
  network: NetworkConfigSection;
  streaming: StreamingConfigSection;
  stats: StatsConfigSection;
  logs: LogsConfigSection;
  images: ImagesConfigSection;
  /** Registries that are spoken to in another way than usual. What the registries file says of a host comes before this. */
  registries: RegistryConfig[];
  /** Mirrors, certificates and logins of registries, see RegistryRule; read again when it changes. Default /etc/nodelet/registries.yaml, which need not be there. */
  registriesFile: string;
  /** Logins as `docker login` and `podman login` keep them, for pulls whose request has none. Default /root/.docker/config.json, which need not be there. */
  dockerConfig: string;
  /** Folders of CDI files, the last one above the others. Default /etc/cdi and /var/run/cdi. */
  cdiDirs: string[];
  /** Classes of block I/O by name, which annotations of pods and containers choose. Default none. */
  blockIoClasses: Record<string, BlockIoRule[]>;
  /** Classes of caches and memory bandwidth by name, likewise. Default none. */
  rdtClasses: Record<string, RdtClass>;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

export interface RuntimeHandlerConfig {
  /** Absolute path of the OCI runtime binary. */
  path: string;
}

export interface NetworkConfigSection {
  /** Default nodelet0. */
  bridge: string;
  /** IPv4 subnet of the bridge, the first address is the gateway. Default 10.88.0.0/16; a range that a cluster assigns comes before it. */
  subnet: string;
  /** Of the bridge and of pods' links, bytes. Default 0: at start as the uplink has it. */
  mtu: number;
  /** nft table (family ip) that nodelet owns. Default nodelet. */
  table: string;
}

export interface StreamingConfigSection {
  /**
   * `HOST:PORT` where streams (exec, attach, port-forward) are served, port 0 for any free one. Default 127.0.0.1:0. Clients
   * find HOST in their URLs. A token in the URL is all that guards a session, so other hosts than loopback need TLS.
   */
  address: string;
  /** PEM files of a certificate (with its chain) and its key: streams are served over TLS. Default none. */
  tlsCert: string | undefined;
  tlsKey: string | undefined;
}

export interface StatsConfigSection {
  /** Time between two samples of what pods and containers use: no answer about it is older. Default 10000. */
  housekeepingMs: number;
  /** Time between two rounds that measure what containers have written to their root file systems. Default 60000. */
  layerPeriodMs: number;
}

/** When the logs of the agent's own pods are rotated; those of a kubelet's pods are the kubelet's. */
export interface LogsConfigSection {
  /**
   * Key `maxSize`, a Kubernetes quantity (`10Mi`) or bytes: a log that has grown to it is moved away, and packed when the next
   * one follows. At least 16Ki. Default 10Mi.
   */
  maxSizeBytes: number;
  /** Files of one run of a container, the one that is being written among them; the oldest go. At least 2. Default 5. */
  maxFiles: number;
  /** Time between two looks at a log, at most: one that grows fast is looked at sooner. Default 2000. */
  checkPeriodMs: number;
}

export interface ImagesConfigSection {
  /** Layers of one pull that are fetched at the same time. Default 3. */
  downloadsPerPull: number;
  /** Layers of all pulls together. Default 12. */
  maxDownloads: number;
  /** Whether layers that registries don't keep are fetched from the addresses that the manifest names. Default false. */
  foreignLayers: boolean;
  gc: ImageGcConfig;
  limits: LayerLimitsConfig;
}

/** When images that nobody uses are removed, in a kubelet's words. */
export interface ImageGcConfig {
  /** From so much of the disk in use on, percent. 100: never. Default 85. */
  highThresholdPercent: number;
  /** Until so much is in use, percent; below the high one. Default 80. */
  lowThresholdPercent: number;
  /** An image that was used since stays. Default 120000. */
  minimumAgeMs: number;
  /** Time between two looks at the disk. Default 300000. */
  periodMs: number;
}

/** What a layer may take; one that takes more is refused, and nothing of it is kept. */
export interface LayerLimitsConfig {
  /** Bytes of its uncompressed archive. Default 64 GiB. */
  maxUnpackedBytes: number;
  /** Headers in its archive. Default 2000000. */
  maxEntries: number;
  /** Uncompressed bytes for each compressed one, in archives of more than 64 MiB. Default 500. */
  maxRatio: number;
}

/** How to reach one registry host (`127.0.0.1:5000`, `docker.io`). */
export interface RegistryConfig {
  host: string;
  /** https whose certificate isn't verified, else plain http. A registry on loopback that isn't listed is spoken to in plain http. */
  insecure: boolean;
}

/** What a class of block I/O sets: a weight or rates, for the devices named or (a weight alone) for all. Rates per second, bytes or operations. */
export interface BlockIoRule {
  /** Paths of block devices, `*` and `?` stand for any characters of a name. Empty: all devices, for a weight. */
  devices: string[];
  /** 10 to 1000. */
  weight?: number;
  throttleReadBps?: number;
  throttleWriteBps?: number;
  throttleReadIops?: number;
  throttleWriteIops?: number;
}

/** Schemata that a class of caches and memory bandwidth is made with, in resctrl's form (`L3:0=ff`, `MB:0=50`); none: the group is there. */
export interface RdtClass {
  l3CacheSchema?: string;
  memBwSchema?: string;
}
