import type { FieldRule, NameForm } from './pod-fields.js';
import { podRule } from './pod-fields.js';
import { parseQuantity } from './pod-quantity.js';
import type { PodContainer, PodManifest, PullPolicy } from './pod-types.js';

export type FieldPath = readonly (string | number)[];

export interface FieldProblem {
  kind: 'invalid' | 'unsupported';
  path: FieldPath;
  message: string;
}

/** `spec.containers[0].image`; a key with dots or other marks is bracketed and quoted. */
export function fieldName(path: FieldPath): string {
  let name = '';
  for (const step of path) {
    if (typeof step === 'number') name += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) name += name === '' ? step : `.${step}`;
    else name += `[${JSON.stringify(step)}]`;
  }
  return name;
}

export const nameForms: Record<NameForm, { regex: RegExp; maxLength: number; meaning: string }> = {
  label: {
    regex: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    maxLength: 63,
    meaning: 'a DNS-1123 label: at most 63 of a-z, 0-9 and -, starting and ending with a letter or digit',
  },
  subdomain: {
    regex: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    maxLength: 253,
    meaning:
      'a DNS-1123 subdomain: at most 253 of a-z, 0-9, - and ., each part starting and ending with a letter or digit',
  },
  portName: {
    regex: /^(?=.*[a-z])[a-z0-9](-?[a-z0-9])*$/,
    maxLength: 15,
    meaning: 'a port name: at most 15 of a-z, 0-9 and -, with a letter in it',
  },
  ipv4: {
    regex: /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$|^$/,
    maxLength: 15,
    meaning: 'an IPv4 address such as 127.0.0.1',
  },
  envName: { regex: /^[^=\0]+$/, maxLength: 32768, meaning: 'a variable name without "="' },
  absolutePath: {
    regex: /^\/(?!.*(^|\/)\.\.(\/|$))[^\0]*$/,
    maxLength: 4096,
    meaning: 'an absolute path without ".."',
  },
};

/** Everything wrong with a document as a Pod; empty when it may become a PodManifest. */
export function validatePod(document: unknown): FieldProblem[] {
  const problems: FieldProblem[] = [];
  check(document, podRule, [], problems);
  if (problems.length === 0) checkReferences(withDefaults(document), problems);
  return problems;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'object' ? 'map' : typeof value;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeOf(value) === 'map';
}

function check(value: unknown, rule: FieldRule, path: FieldPath, problems: FieldProblem[]): void {
  const bad = (message: string, at: FieldPath = path): number =>
    problems.push({ kind: 'invalid', path: at, message });
  const wrongType = (wanted: string): number => bad(`must be ${wanted}, but is a ${typeOf(value)}`);
  switch (rule.type) {
    case 'serverOwned':
      return;
    case 'boolean':
      if (typeof value !== 'boolean') wrongType('true or false');
      return;
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value)) wrongType('a whole number');
      else if (value < (rule.min ?? -Infinity) || value > (rule.max ?? Infinity))
        bad(`must be between ${rule.min ?? '-∞'} and ${rule.max ?? '∞'}, but is ${value}`);
      return;
    case 'quantity': {
      if (typeof value !== 'string' && typeof value !== 'number') return void wrongType('a quantity');
      const amount = parseQuantity(value);
      if (amount === undefined) bad(`is not a quantity such as 250m or 64Mi: ${value}`);
      else if (amount < 0) bad(`must not be negative: ${value}`);
      return;
    }
    case 'string': {
      if (typeof value !== 'string') return void wrongType('a string');
      if (rule.nonEmpty === true && value.trim() === '') bad('must not be empty');
      if (rule.oneOf !== undefined && !rule.oneOf.includes(value))
        bad(`must be one of ${rule.oneOf.filter((word) => word !== '').join(', ')}, but is "${value}"`);
      if (rule.form === undefined) return;
      const form = nameForms[rule.form];
      if (!form.regex.test(value) || value.length > form.maxLength)
        bad(`must be ${form.meaning}, but is "${value}"`);
      return;
    }
    case 'stringMap':
      if (!isMap(value)) return void wrongType('a map of strings');
      for (const [key, entry] of Object.entries(value))
        if (typeof entry !== 'string')
          bad(`must be a string, but is a ${typeOf(entry)}: quote it`, [...path, key]);
      return;
    case 'list': {
      if (!Array.isArray(value)) return void wrongType('a list');
      if (rule.nonEmpty === true && value.length === 0) bad('must have at least one entry');
      const seen = new Set<unknown>();
      value.forEach((entry: unknown, index) => {
        check(entry, rule.of, [...path, index], problems);
        if (rule.uniqueBy === undefined || !isMap(entry)) return;
        const key = entry[rule.uniqueBy];
        if (key !== undefined && seen.has(key))
          bad(`is there twice: ${JSON.stringify(key)}`, [...path, index, rule.uniqueBy]);
        seen.add(key);
      });
      return;
    }
    case 'object': {
      if (!isMap(value)) return void wrongType('a map');
      for (const name of rule.required ?? [])
        if (value[name] === undefined || value[name] === null) bad('is required', [...path, name]);
      for (const [name, entry] of Object.entries(value)) {
        const at = [...path, name];
        const field = Object.hasOwn(rule.fields, name) ? rule.fields[name] : undefined;
        if (field !== undefined) {
          // An explicit null means "not set" in Kubernetes.
          if (entry !== null) check(entry, field, at, problems);
        } else if (rule.notYet?.includes(name) === true || rule.notYetForm?.test(name) === true)
          problems.push({
            kind: 'unsupported',
            path: at,
            message: 'is not supported by nodelet yet; remove it to run this pod',
          });
        else bad('is not a field that Kubernetes has here; check its spelling', at);
      }
    }
  }
}

function checkReferences(pod: PodManifest, problems: FieldProblem[]): void {
  const bad = (path: FieldPath, message: string): number => problems.push({ kind: 'invalid', path, message });
  const volumes = new Set(pod.spec.volumes.map((volume) => volume.name));
  pod.spec.volumes.forEach((volume, index) => {
    const kinds = [volume.emptyDir, volume.hostPath].filter(
      (kind) => kind !== undefined && kind !== null,
    ).length;
    if (kinds !== 1) bad(['spec', 'volumes', index], 'must have exactly one of emptyDir and hostPath');
  });
  const names = new Set(pod.spec.containers.map((container) => container.name));
  const hostPorts = new Set<string>();
  for (const group of ['initContainers', 'containers'] as const)
    pod.spec[group].forEach((container, index) => {
      const at = ['spec', group, index];
      if (group === 'initContainers' && names.has(container.name))
        bad([...at, 'name'], `is there twice: ${container.name}`);
      container.volumeMounts?.forEach((mount, position) => {
        if (!volumes.has(mount.name))
          bad([...at, 'volumeMounts', position, 'name'], `names no volume of spec.volumes: "${mount.name}"`);
      });
      container.ports?.forEach((port, position) => {
        if (port.hostPort === undefined) return;
        if (group === 'initContainers' && !pod.spec.hostNetwork)
          problems.push({
            kind: 'unsupported',
            path: [...at, 'ports', position, 'hostPort'],
            message: 'is not opened for an init container; give it to one of spec.containers',
          });
        if (pod.spec.hostNetwork && port.hostPort !== port.containerPort)
          bad([...at, 'ports', position, 'hostPort'], 'must equal containerPort on the host network');
        const key = `${port.protocol ?? 'TCP'} ${port.hostIP ?? ''} ${port.hostPort}`;
        if (group === 'containers' && hostPorts.has(key))
          bad([...at, 'ports', position, 'hostPort'], `is there twice: ${port.hostPort}`);
        hostPorts.add(key);
      });
      for (const resource of ['cpu', 'memory'] as const) {
        const limit = container.resources?.limits?.[resource];
        const request = container.resources?.requests?.[resource];
        if (
          limit !== undefined &&
          request !== undefined &&
          (parseQuantity(request) ?? 0) > (parseQuantity(limit) ?? 0)
        )
          bad([...at, 'resources', 'requests', resource], `must not be above the limit ${limit}`);
      }
      if (
        container.securityContext?.privileged === true &&
        container.securityContext.allowPrivilegeEscalation === false
      )
        bad(
          [...at, 'securityContext', 'allowPrivilegeEscalation'],
          'must not be false for a privileged container',
        );
    });
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]) => (entry === null ? [] : [[key, withoutNulls(entry)]])),
  );
}

function defaultPullPolicy(image: string): PullPolicy {
  const name = image.slice(image.lastIndexOf('/') + 1);
  if (name.includes('@')) return 'IfNotPresent';
  return !name.includes(':') || name.endsWith(':latest') ? 'Always' : 'IfNotPresent';
}

/** Fills Kubernetes' defaults into a document that validatePod found nothing wrong with. */
export function withDefaults(document: unknown): PodManifest {
  const { metadata, spec } = withoutNulls(document) as {
    metadata: Partial<PodManifest['metadata']> & { name: string };
    spec: Partial<PodManifest['spec']>;
  };
  const container = (given: PodContainer): PodContainer => ({
    ...given,
    imagePullPolicy: given.imagePullPolicy ?? defaultPullPolicy(given.image),
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace ?? 'default',
      uid: metadata.uid ?? '',
      labels: metadata.labels ?? {},
      annotations: metadata.annotations ?? {},
    },
    spec: {
      ...spec,
      containers: (spec.containers ?? []).map(container),
      initContainers: (spec.initContainers ?? []).map(container),
      volumes: spec.volumes ?? [],
      restartPolicy: spec.restartPolicy ?? 'Always',
      terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
      hostNetwork: spec.hostNetwork ?? false,
      hostPID: spec.hostPID ?? false,
      hostIPC: spec.hostIPC ?? false,
    },
  };
}
