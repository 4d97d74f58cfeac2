/** A Pod as nodelet runs it: the supported part of Kubernetes' core/v1 Pod, with defaults filled in. */
export interface PodManifest {
  apiVersion: 'v1';
  kind: 'Pod';
  metadata: PodMetadata;
  spec: PodSpec;
}

export interface PodMetadata {
  name: string;
  namespace: string;
  /** Empty where the manifest gives none: the agent then makes one. */
  uid: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';
export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

export interface PodSpec {
  containers: PodContainer[];
  initContainers: PodContainer[];
  volumes: PodVolume[];
  restartPolicy: RestartPolicy;
  terminationGracePeriodSeconds: number;
  hostNetwork: boolean;
  hostPID: boolean;
  hostIPC: boolean;
  hostname?: string;
  /** The agent takes a pod that names no node or its own. */
  nodeName?: string;
  securityContext?: PodSecurityContext;
}

export interface PodSecurityContext {
  runAsUser?: number;
  runAsGroup?: number;
  supplementalGroups?: number[];
}

export interface PodContainer {
  name: string;
  image: string;
  imagePullPolicy: PullPolicy;
  command?: string[];
  args?: string[];
  workingDir?: string;
  env?: { name: string; value?: string }[];
  ports?: ContainerPort[];
  resources?: { limits?: ResourceAmounts; requests?: ResourceAmounts };
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext?: ContainerSecurity;
  stdin?: boolean;
  /** Whether stdin ends with the first client that has attached to it. */
  stdinOnce?: boolean;
  tty?: boolean;
}

/** Kubernetes quantities (`250m`, `64Mi`), kept as written; pod-quantity.ts reads them. */
export interface ResourceAmounts {
  cpu?: string | number;
  memory?: string | number;
}

export interface ContainerPort {
  containerPort: number;
  name?: string;
  hostPort?: number;
  hostIP?: string;
  protocol?: 'TCP' | 'UDP' | 'SCTP';
}

export interface ContainerSecurity {
  runAsUser?: number;
  runAsGroup?: number;
  privileged?: boolean;
  readOnlyRootFilesystem?: boolean;
  allowPrivilegeEscalation?: boolean;
  capabilities?: { add?: string[]; drop?: string[] };
}

export interface PodVolume {
  name: string;
  emptyDir?: Record<string, never>;
  hostPath?: { path: string; type?: string };
}
