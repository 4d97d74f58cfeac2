import { NodeletError } from '../base/errors.js';

/** Paths of the daemon's API, and the flag that says in which namespace. */
export const podsPath = (namespace: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
export const podPath = (namespace: string, name: string): string =>
  `${podsPath(namespace)}/${encodeURIComponent(name)}`;
export const namespaceFlag = ['-n, --namespace <name>', 'namespace of the pod', 'default'] as const;

/** nodelet keeps pods only, under any of kubectl's names for them. */
export function requirePodKind(kind: string): void {
  if (['pod', 'pods', 'po'].includes(kind)) return;
  throw new NodeletError('unsupported', `${kind} is no kind that nodelet keeps`, { remedy: 'use pods' });
}
