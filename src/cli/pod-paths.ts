import { NodeletError } from '../base/errors.js';
import { nameForms } from '../spec/manifests/pod-validate.js';

/** Paths of the daemon's API, and the flag that says in which namespace. `invalid` for what can be no name. */
export const podsPath = (namespace: string): string =>
  `/api/v1/namespaces/${nameIn('namespace', namespace)}/pods`;
export const podPath = (namespace: string, name: string): string =>
  `${podsPath(namespace)}/${nameIn('pod', name)}`;
export const namespaceFlag = ['-n, --namespace <name>', 'namespace of the pod', 'default'] as const;

/** nodelet keeps pods only, under any of kubectl's names for them. */
export function requirePodKind(kind: string): void {
  if (['pod', 'pods', 'po'].includes(kind)) return;
  throw new NodeletError('unsupported', `${kind} is no kind that nodelet keeps`, { remedy: 'use pods' });
}

/** The name in `POD` or `pod/POD`. */
export function podNameOf(argument: string): string {
  const slash = argument.indexOf('/');
  if (slash < 0) return argument;
  requirePodKind(argument.slice(0, slash));
  return argument.slice(slash + 1);
}

/** A name such as `..` or `a/b` would make another path of it. */
function nameIn(field: string, name: string): string {
  const { regex, maxLength, meaning } = nameForms.subdomain;
  if (regex.test(name) && name.length <= maxLength) return name;
  throw new NodeletError('invalid', `"${name}" is no name: it must be ${meaning}`, { field });
}
