/** What a manifest field may hold. The tables below are the whole of what nodelet takes; pod-validate.ts walks them. */
export type FieldRule =
  | { type: 'string'; nonEmpty?: true; oneOf?: readonly string[]; form?: NameForm }
  | { type: 'integer'; min?: number; max?: number }
  | { type: 'boolean' }
  | { type: 'quantity' }
  | { type: 'stringMap' }
  | { type: 'list'; of: FieldRule; uniqueBy?: string; nonEmpty?: true }
  | { type: 'serverOwned' }
  | {
      type: 'object';
      fields: Record<string, FieldRule>;
      required?: readonly string[];
      /** Fields that Kubernetes has here and nodelet does not do yet: refused, in other words than a typing error. */
      notYet?: readonly string[];
      /** The same, for names that Kubernetes leaves to its users (`example.com/dongle`). */
      notYetForm?: RegExp;
    };
export type NameForm = 'label' | 'subdomain' | 'envName' | 'absolutePath' | 'portName' | 'ipv4';

const words = (text: string): string[] => text.trim().split(/\s+/);
const text: FieldRule = { type: 'string' };
const label: FieldRule = { type: 'string', form: 'label' };
const path: FieldRule = { type: 'string', form: 'absolutePath' };
const flag: FieldRule = { type: 'boolean' };
const id: FieldRule = { type: 'integer', min: 0, max: 2147483647 };
const port: FieldRule = { type: 'integer', min: 1, max: 65535 };
const list = (of: FieldRule, uniqueBy?: string): FieldRule =>
  uniqueBy === undefined ? { type: 'list', of } : { type: 'list', of, uniqueBy };

const amounts: FieldRule = {
  type: 'object',
  fields: { cpu: { type: 'quantity' }, memory: { type: 'quantity' } },
  notYetForm: /\/|^hugepages-/,
  notYet: words('ephemeral-storage hugepages-2Mi hugepages-1Gi storage'),
};

const containerSecurity: FieldRule = {
  type: 'object',
  fields: {
    runAsUser: id,
    runAsGroup: id,
    privileged: flag,
    readOnlyRootFilesystem: flag,
    allowPrivilegeEscalation: flag,
    capabilities: { type: 'object', fields: { add: list(text), drop: list(text) } },
  },
  notYet: words('appArmorProfile procMount runAsNonRoot seLinuxOptions seccompProfile windowsOptions'),
};

const container: FieldRule = {
  type: 'object',
  required: ['name', 'image'],
  fields: {
    name: label,
    image: { type: 'string', nonEmpty: true },
    imagePullPolicy: { type: 'string', oneOf: ['Always', 'IfNotPresent', 'Never'] },
    command: list(text),
    args: list(text),
    workingDir: text,
    env: list({
      type: 'object',
      required: ['name'],
      fields: { name: { type: 'string', form: 'envName' }, value: text },
      notYet: ['valueFrom'],
    }),
    ports: list({
      type: 'object',
      required: ['containerPort'],
      fields: {
        name: { type: 'string', form: 'portName' },
        containerPort: port,
        hostPort: port,
        hostIP: { type: 'string', form: 'ipv4' },
        protocol: { type: 'string', oneOf: ['TCP', 'UDP', 'SCTP'] },
      },
    }),
    resources: { type: 'object', fields: { limits: amounts, requests: amounts }, notYet: ['claims'] },
    volumeMounts: list(
      {
        type: 'object',
        required: ['name', 'mountPath'],
        fields: { name: text, mountPath: path, readOnly: flag },
        notYet: words('mountPropagation recursiveReadOnly subPath subPathExpr'),
      },
      'mountPath',
    ),
    securityContext: containerSecurity,
    stdin: flag,
    stdinOnce: flag,
    tty: flag,
  },
  notYet: words(`envFrom lifecycle livenessProbe readinessProbe resizePolicy restartPolicy restartPolicyRules
    startupProbe terminationMessagePath terminationMessagePolicy volumeDevices`),
};

const volume: FieldRule = {
  type: 'object',
  required: ['name'],
  fields: {
    name: label,
    emptyDir: { type: 'object', fields: {}, notYet: ['medium', 'sizeLimit'] },
    hostPath: {
      type: 'object',
      required: ['path'],
      fields: {
        path,
        type: {
          type: 'string',
          oneOf: words('DirectoryOrCreate Directory FileOrCreate File Socket CharDevice BlockDevice').concat(
            '',
          ),
        },
      },
    },
  },
  notYet: words(`awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI ephemeral fc
    flexVolume flocker gcePersistentDisk gitRepo glusterfs image iscsi nfs persistentVolumeClaim
    photonPersistentDisk portworxVolume projected quobyte rbd scaleIO secret storageos vsphereVolume`),
};

export const podRule: FieldRule = {
  type: 'object',
  required: ['apiVersion', 'kind', 'metadata', 'spec'],
  fields: {
    apiVersion: { type: 'string', oneOf: ['v1'] },
    kind: { type: 'string', oneOf: ['Pod'] },
    metadata: {
      type: 'object',
      required: ['name'],
      fields: {
        name: { type: 'string', form: 'subdomain' },
        namespace: label,
        uid: text,
        labels: { type: 'stringMap' },
        annotations: { type: 'stringMap' },
        creationTimestamp: { type: 'serverOwned' },
        deletionTimestamp: { type: 'serverOwned' },
        deletionGracePeriodSeconds: { type: 'serverOwned' },
        resourceVersion: { type: 'serverOwned' },
        generation: { type: 'serverOwned' },
        managedFields: { type: 'serverOwned' },
        selfLink: { type: 'serverOwned' },
      },
      notYet: ['finalizers', 'generateName', 'ownerReferences'],
    },
    spec: {
      type: 'object',
      required: ['containers'],
      fields: {
        containers: { type: 'list', of: container, uniqueBy: 'name', nonEmpty: true },
        initContainers: list(container, 'name'),
        volumes: list(volume, 'name'),
        restartPolicy: { type: 'string', oneOf: ['Always', 'OnFailure', 'Never'] },
        terminationGracePeriodSeconds: { type: 'integer', min: 0, max: 2147483647 },
        hostNetwork: flag,
        hostPID: flag,
        hostIPC: flag,
        hostname: label,
        nodeName: text,
        securityContext: {
          type: 'object',
          fields: { runAsUser: id, runAsGroup: id, supplementalGroups: list(id) },
          notYet:
            words(`appArmorProfile fsGroup fsGroupChangePolicy runAsNonRoot seLinuxChangePolicy seLinuxOptions
            seccompProfile supplementalGroupsPolicy sysctls windowsOptions`),
        },
      },
      notYet: words(`activeDeadlineSeconds affinity automountServiceAccountToken dnsConfig dnsPolicy
        enableServiceLinks ephemeralContainers hostAliases hostUsers hostnameOverride imagePullSecrets nodeSelector os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims resources
        runtimeClassName schedulerName schedulingGates serviceAccount serviceAccountName setHostnameAsFQDN
        shareProcessNamespace subdomain tolerations topologySpreadConstraints`),
    },
    status: { type: 'serverOwned' },
  },
};
